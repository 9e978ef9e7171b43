package dev.millrace.oracle;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.BranchedKStream;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.KeyValueMapper;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.kstream.ValueJoiner;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * A topology from the neutral description of a case: a list of named nodes, each of which names the
 * nodes it takes from. Keys are strings, or windowed strings below a windowed aggregation.
 */
final class CaseTopology {
  @SuppressWarnings({"unchecked", "rawtypes"})
  static final Serde<Object> KEY = (Serde) Serdes.String();

  static final Serde<Object> VALUE = new JsonSerde();

  /** Topics are called as ours are: a buffer bounded by bytes counts the names of topics in. */
  static final String APPLICATION = "case";

  private final StreamsBuilder builder = new StreamsBuilder();
  private final Map<String, KStream<Object, Object>> streams = new HashMap<>();
  private final Map<String, KTable<Object, Object>> tables = new HashMap<>();
  private final Map<String, GlobalKTable<Object, Object>> globals = new HashMap<>();
  private final Aggregations aggregations = new Aggregations(streams, tables);
  private final LongSupplier clock;

  private CaseTopology(LongSupplier clock) {
    this.clock = clock;
  }

  static Topology of(JsonNode nodes, LongSupplier clock) {
    CaseTopology topology = new CaseTopology(clock);
    for (JsonNode node : nodes) {
      topology.add(node);
    }
    return topology.builder.build();
  }

  private void add(JsonNode node) {
    String name = node.get("name").textValue();
    String from = node.hasNonNull("from") && node.get("from").isTextual() ? node.get("from").textValue() : "";
    switch (node.get("op").textValue()) {
      case "stream" -> streams.put(name, builder.stream(texts(node.get("topics")), consumed(node)));
      case "table" -> tables.put(name, table(node));
      case "globalTable" -> globals.put(
          name, builder.globalTable(text(node, "topic"), Consumed.with(KEY, VALUE), store(text(node, "store"))));
      case "filter" -> filter(node, name, from);
      case "mapValues" -> mapValues(node, name, from);
      case "map" -> {
        var key = Functions.key(node.get("key"));
        var value = Functions.value(node.get("value"));
        streams.put(name, streams.get(from).map((k, v) ->
            org.apache.kafka.streams.KeyValue.pair(key.apply(k, v), value.apply(k, v))));
      }
      case "selectKey" -> streams.put(name, streams.get(from).selectKey(Functions.key(node.get("key"))));
      case "flatMap" -> streams.put(name, streams.get(from).flatMap(Functions.pairs(node)));
      case "flatMapValues" -> {
        KeyValueMapper<Object, Object, List<Object>> values = Functions.values(node.get("values"));
        streams.put(name, streams.get(from).flatMapValues(values::apply));
      }
      case "peek" -> streams.put(name, streams.get(from).peek((k, v) -> { }));
      case "foreach" -> streams.get(from).foreach((k, v) -> { });
      case "merge" -> {
        List<String> inputs = texts(node.get("inputs"));
        KStream<Object, Object> merged = streams.get(inputs.get(0));
        for (String input : inputs.subList(1, inputs.size())) {
          merged = merged.merge(streams.get(input));
        }
        streams.put(name, merged);
      }
      case "split" -> split(node, from);
      case "repartition" -> streams.put(
          name, streams.get(from).repartition(Repartitioned.with(KEY, VALUE).withName(topicName(node))));
      case "toTable" -> tables.put(name, streams.get(from).toTable(Named.as(text(node, "store")), tableStore(node)));
      case "toStream" -> streams.put(name, tables.get(from).toStream());
      case "windowKey" -> streams.put(name, tables.get(from).toStream((k, v) -> windowText((Windowed<?>) k)));
      case "to" -> to(node, from);
      case "process" -> streams.put(name, process(node, streams.get(from)));
      case "remember" -> {
        builder.addStateStore(Remembering.store(node));
        streams.put(name, streams.get(from).process(() -> new Remembering(node), text(node, "store")));
      }
      case "aggregate" -> tables.put(name, aggregations.aggregate(node));
      case "cogroup" -> tables.put(name, aggregations.cogroup(node));
      case "suppress" -> tables.put(name, tables.get(from).suppress(suppressed(node)));
      case "streamJoin" -> streams.put(name, streamJoin(node));
      case "streamTableJoin" -> streams.put(name, streamTableJoin(node));
      case "globalJoin" -> streams.put(name, globalJoin(node));
      case "tableJoin" -> tables.put(name, tableJoin(node));
      case "foreignKeyJoin" -> tables.put(name, foreignKeyJoin(node));
      default -> throw new IllegalArgumentException("no operator " + node);
    }
  }

  private KTable<Object, Object> table(JsonNode node) {
    return builder.table(text(node, "topic"), consumed(node), tableStore(node));
  }

  /** The store of a table, which may have versions. */
  private static Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> tableStore(JsonNode node) {
    String store = text(node, "store");
    if (!node.hasNonNull("versioned")) {
      return store(store);
    }
    return Materialized.<Object, Object>as(
            Stores.persistentVersionedKeyValueStore(store, millis(node, "versioned")))
        .withKeySerde(KEY)
        .withValueSerde(VALUE);
  }

  private Consumed<Object, Object> consumed(JsonNode node) {
    Consumed<Object, Object> consumed = Consumed.with(KEY, VALUE);
    return node.hasNonNull("time")
        ? consumed.withTimestampExtractor(EventTime.of(node.get("time"), clock))
        : consumed;
  }

  private void filter(JsonNode node, String name, String from) {
    var predicate = Functions.predicate(node.get("predicate"));
    boolean negate = node.get("negate").booleanValue();
    if (streams.containsKey(from)) {
      KStream<Object, Object> stream = streams.get(from);
      streams.put(name, negate ? stream.filterNot(predicate) : stream.filter(predicate));
      return;
    }
    KTable<Object, Object> table = tables.get(from);
    if (node.hasNonNull("store")) {
      var store = store(text(node, "store"));
      tables.put(name, negate ? table.filterNot(predicate, store) : table.filter(predicate, store));
    } else {
      tables.put(name, negate ? table.filterNot(predicate) : table.filter(predicate));
    }
  }

  private void mapValues(JsonNode node, String name, String from) {
    KeyValueMapper<Object, Object, Object> value = Functions.value(node.get("value"));
    if (streams.containsKey(from)) {
      streams.put(name, streams.get(from).mapValues(value::apply));
    } else if (node.hasNonNull("store")) {
      tables.put(name, tables.get(from).mapValues(value::apply, store(text(node, "store"))));
    } else {
      tables.put(name, tables.get(from).mapValues(value::apply));
    }
  }

  private KStream<Object, Object> process(JsonNode node, KStream<Object, Object> from) {
    String store = text(node, "store");
    builder.addStateStore(
        Stores.timestampedKeyValueStoreBuilder(Stores.inMemoryKeyValueStore(store), KEY, VALUE));
    long everyStreamTime = node.path("everyStreamTime").asLong(0);
    if (node.get("fixedKey").booleanValue()) {
      return from.processValues(() -> new Counting.OfValues(store, everyStreamTime), store);
    }
    long every = node.path("every").asLong(0);
    return from.process(() -> new Counting(store, every, everyStreamTime), store);
  }

  private void split(JsonNode node, String from) {
    BranchedKStream<Object, Object> split = streams.get(from).split();
    for (JsonNode branch : node.get("branches")) {
      split = split.branch(
          Functions.predicate(branch.get("predicate")),
          Branched.withConsumer(stream -> streams.put(text(branch, "name"), stream)));
    }
    if (node.hasNonNull("default")) {
      split.defaultBranch(Branched.withConsumer(stream -> streams.put(text(node, "default"), stream)));
    } else {
      split.noDefaultBranch();
    }
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private void to(JsonNode node, String from) {
    Serde<Object> key = KEY;
    if (node.hasNonNull("windowed")) {
      key = (Serde) (text(node, "windowed").equals("session")
          ? WindowedSerdes.sessionWindowedSerdeFrom(String.class)
          // The size is not written.
          : WindowedSerdes.timeWindowedSerdeFrom(String.class, 1));
    }
    KStream<Object, Object> stream = streams.containsKey(from) ? streams.get(from) : tables.get(from).toStream();
    String topic = text(node, "topic");
    if (node.hasNonNull("routes")) {
      int routes = node.get("routes").intValue();
      stream.to(
          (k, v, context) -> topic + "-" + Functions.text(v).length() % routes,
          Produced.with(key, VALUE));
    } else {
      stream.to(topic, Produced.with(key, VALUE));
    }
  }

  private static Suppressed suppressed(JsonNode node) {
    if (!node.hasNonNull("limit")) {
      return Suppressed.untilWindowCloses(BufferConfig.unbounded());
    }
    boolean few = node.hasNonNull("records");
    boolean small = node.hasNonNull("bytes");
    if (!few && !small) {
      return Suppressed.untilTimeLimit(millis(node, "limit"), BufferConfig.unbounded());
    }
    var bounds = few
        ? BufferConfig.maxRecords(node.get("records").longValue())
        : BufferConfig.maxBytes(node.get("bytes").longValue());
    if (few && small) {
      bounds = bounds.withMaxBytes(node.get("bytes").longValue());
    }
    return Suppressed.untilTimeLimit(millis(node, "limit"), bounds.emitEarlyWhenFull());
  }

  private KStream<Object, Object> streamJoin(JsonNode node) {
    JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(Duration.ZERO, millis(node, "grace"))
        .before(millis(node, "before"))
        .after(millis(node, "after"));
    KStream<Object, Object> left = streams.get(text(node, "left"));
    KStream<Object, Object> right = streams.get(text(node, "right"));
    ValueJoiner<Object, Object, Object> joiner = Functions.joiner();
    StreamJoined<Object, Object, Object> joined = StreamJoined.with(KEY, VALUE, VALUE).withName(topicName(node));
    return switch (text(node, "kind")) {
      case "inner" -> left.join(right, joiner, windows, joined);
      case "left" -> left.leftJoin(right, joiner, windows, joined);
      default -> left.outerJoin(right, joiner, windows, joined);
    };
  }

  private KStream<Object, Object> streamTableJoin(JsonNode node) {
    KStream<Object, Object> left = streams.get(text(node, "left"));
    KTable<Object, Object> table = tables.get(text(node, "table"));
    Joined<Object, Object, Object> joined = Joined.with(KEY, VALUE, VALUE).withName(topicName(node));
    if (node.hasNonNull("grace")) {
      joined = joined.withGracePeriod(millis(node, "grace"));
    }
    return text(node, "kind").equals("inner")
        ? left.join(table, Functions.joiner(), joined)
        : left.leftJoin(table, Functions.joiner(), joined);
  }

  private KStream<Object, Object> globalJoin(JsonNode node) {
    KStream<Object, Object> left = streams.get(text(node, "left"));
    GlobalKTable<Object, Object> table = globals.get(text(node, "table"));
    KeyValueMapper<Object, Object, Object> key = Functions.key(node.get("key"));
    return text(node, "kind").equals("inner")
        ? left.join(table, key, Functions.joiner())
        : left.leftJoin(table, key, Functions.joiner());
  }

  private KTable<Object, Object> tableJoin(JsonNode node) {
    KTable<Object, Object> left = tables.get(text(node, "left"));
    KTable<Object, Object> right = tables.get(text(node, "right"));
    ValueJoiner<Object, Object, Object> joiner = Functions.joiner();
    if (!node.hasNonNull("store")) {
      return switch (text(node, "kind")) {
        case "inner" -> left.join(right, joiner);
        case "left" -> left.leftJoin(right, joiner);
        default -> left.outerJoin(right, joiner);
      };
    }
    var store = store(text(node, "store"));
    return switch (text(node, "kind")) {
      case "inner" -> left.join(right, joiner, store);
      case "left" -> left.leftJoin(right, joiner, store);
      default -> left.outerJoin(right, joiner, store);
    };
  }

  private KTable<Object, Object> foreignKeyJoin(JsonNode node) {
    KTable<Object, Object> left = tables.get(text(node, "left"));
    KTable<Object, Object> right = tables.get(text(node, "right"));
    KeyValueMapper<Object, Object, Object> key = Functions.key(node.get("key"));
    var store = store(text(node, "store"));
    // The topic of the answers gets a name that is as long as ours.
    TableJoined<Object, Object> joined = TableJoined.as(text(node, "name"));
    return text(node, "kind").equals("inner")
        ? left.join(right, key::apply, Functions.joiner(), joined, store)
        : left.leftJoin(right, key::apply, Functions.joiner(), joined, store);
  }

  /** Name of a node's repartition topic, where it needs one. */
  static String topicName(JsonNode node) {
    return text(node, "name") + "-by-key";
  }

  /** A key-value store of this name. */
  static Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> store(String name) {
    return Materialized.<Object, Object, KeyValueStore<Bytes, byte[]>>as(name)
        .withKeySerde(KEY)
        .withValueSerde(VALUE);
  }

  /** A windowed key as text: {@code key@start/end}. */
  static String windowText(Windowed<?> key) {
    return key.key() + "@" + key.window().start() + "/" + key.window().end();
  }

  static Duration millis(JsonNode node, String field) {
    return Duration.ofMillis(node.get(field).longValue());
  }

  static String text(JsonNode node, String field) {
    return node.get(field).textValue();
  }

  private static List<String> texts(JsonNode array) {
    List<String> texts = new ArrayList<>();
    array.forEach(item -> texts.add(item.textValue()));
    return texts;
  }
}
