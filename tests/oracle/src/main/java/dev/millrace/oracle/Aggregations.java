package dev.millrace.oracle;

import static dev.millrace.oracle.CaseTopology.KEY;
import static dev.millrace.oracle.CaseTopology.VALUE;
import static dev.millrace.oracle.CaseTopology.millis;
import static dev.millrace.oracle.CaseTopology.text;
import static dev.millrace.oracle.CaseTopology.topicName;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.Map;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Aggregator;
import org.apache.kafka.streams.kstream.CogroupedKStream;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Initializer;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KGroupedTable;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.KeyValueMapper;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindowedKStream;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.StateStore;

/** Aggregations of a case: of streams and tables, windowed or not, and cogrouped. */
@SuppressWarnings({"unchecked", "rawtypes"})
final class Aggregations {
  /** Longer than any case lasts, ms. */
  private static final Duration LONG = Duration.ofDays(1_000);

  private final Map<String, KStream<Object, Object>> streams;
  private final Map<String, KTable<Object, Object>> tables;

  Aggregations(Map<String, KStream<Object, Object>> streams, Map<String, KTable<Object, Object>> tables) {
    this.streams = streams;
    this.tables = tables;
  }

  KTable<Object, Object> aggregate(JsonNode node) {
    String from = text(node, "from");
    if (tables.containsKey(from)) {
      return ofTable(node, tables.get(from));
    }
    KGroupedStream<Object, Object> grouped = grouped(node, streams.get(from), topicName(node));
    if (!node.hasNonNull("window")) {
      return plain(node, grouped);
    }
    JsonNode window = node.get("window");
    return switch (text(window, "kind")) {
      case "session" -> session(node, grouped.windowedBy(sessions(window)));
      case "sliding" -> timed(node, grouped.windowedBy(sliding(window)));
      default -> timed(node, grouped.windowedBy(hopping(window)));
    };
  }

  /** Names are given so that the repartition topics of a cogroup differ. */
  private static KGroupedStream<Object, Object> grouped(
      JsonNode node, KStream<Object, Object> stream, String name) {
    return node.hasNonNull("groupBy")
        ? stream.groupBy(Functions.key(node.get("groupBy")), Grouped.with(name, KEY, VALUE))
        : stream.groupByKey(Grouped.with(name, KEY, VALUE));
  }

  private static KTable<Object, Object> plain(JsonNode node, KGroupedStream<Object, Object> grouped) {
    JsonNode with = node.get("with");
    return switch (text(with, "fn")) {
      case "count" -> (KTable) grouped.count((Materialized) store(node));
      case "reduce" -> grouped.reduce(Functions.reducer(), store(node));
      default -> grouped.aggregate(Functions.initial(with), Functions.adder(with), store(node));
    };
  }

  private static KTable<Object, Object> timed(JsonNode node, TimeWindowedKStream<Object, Object> plain) {
    TimeWindowedKStream<Object, Object> windowed =
        onClose(node) ? plain.emitStrategy(EmitStrategy.onWindowClose()) : plain;
    JsonNode with = node.get("with");
    return (KTable) switch (text(with, "fn")) {
      case "count" -> windowed.count((Materialized) store(node));
      case "reduce" -> windowed.reduce(Functions.reducer(), store(node));
      default -> windowed.aggregate(Functions.initial(with), Functions.adder(with), store(node));
    };
  }

  private static KTable<Object, Object> session(JsonNode node, SessionWindowedKStream<Object, Object> plain) {
    SessionWindowedKStream<Object, Object> windowed =
        onClose(node) ? plain.emitStrategy(EmitStrategy.onWindowClose()) : plain;
    JsonNode with = node.get("with");
    return (KTable) switch (text(with, "fn")) {
      case "count" -> windowed.count((Materialized) store(node));
      case "reduce" -> windowed.reduce(Functions.reducer(), store(node));
      default -> windowed.aggregate(
          Functions.initial(with), Functions.adder(with), Functions.merger(with), store(node));
    };
  }

  private static KTable<Object, Object> ofTable(JsonNode node, KTable<Object, Object> table) {
    var key = Functions.key(node.get("groupBy"));
    KeyValueMapper<Object, Object, Object> value =
        node.hasNonNull("groupValue") ? Functions.value(node.get("groupValue")) : (k, v) -> v;
    KGroupedTable<Object, Object> grouped = table.groupBy(
        (k, v) -> KeyValue.pair(key.apply(k, v), value.apply(k, v)), Grouped.with(topicName(node), KEY, VALUE));
    JsonNode with = node.get("with");
    return switch (text(with, "fn")) {
      case "count" -> (KTable) grouped.count((Materialized) store(node));
      case "reduce" -> grouped.reduce(Functions.reducer(), Functions.unreducer(), store(node));
      default -> grouped.aggregate(
          Functions.initial(with), Functions.adder(with), Functions.subtractor(with), store(node));
    };
  }

  /** Several streams into one aggregate; they differ in the text that is put before each value. */
  KTable<Object, Object> cogroup(JsonNode node) {
    CogroupedKStream<Object, Object> cogrouped = null;
    int others = 0;
    for (JsonNode input : node.get("inputs")) {
      String topic = topicName(node) + (cogrouped == null ? "" : "-" + others++);
      KGroupedStream<Object, Object> grouped =
          grouped(input, streams.get(text(input, "from")), topic);
      Aggregator<Object, Object, Object> adder = Functions.adder(input.get("with"));
      cogrouped = cogrouped == null ? grouped.cogroup(adder) : cogrouped.cogroup(grouped, adder);
    }
    JsonNode with = node.get("inputs").get(0).get("with");
    Initializer<Object> initial = Functions.initial(with);
    if (!node.hasNonNull("window")) {
      return cogrouped.aggregate(initial, store(node));
    }
    JsonNode window = node.get("window");
    return (KTable) switch (text(window, "kind")) {
      case "session" -> cogrouped.windowedBy(sessions(window))
          .aggregate(initial, Functions.merger(with), store(node));
      case "sliding" -> cogrouped.windowedBy(sliding(window)).aggregate(initial, store(node));
      default -> cogrouped.windowedBy(hopping(window)).aggregate(initial, store(node));
    };
  }

  private static boolean onClose(JsonNode node) {
    return node.hasNonNull("emit") && text(node, "emit").equals("close");
  }

  private static SessionWindows sessions(JsonNode window) {
    return SessionWindows.ofInactivityGapAndGrace(millis(window, "gap"), millis(window, "grace"));
  }

  private static SlidingWindows sliding(JsonNode window) {
    return SlidingWindows.ofTimeDifferenceAndGrace(millis(window, "size"), millis(window, "grace"));
  }

  private static TimeWindows hopping(JsonNode window) {
    TimeWindows windows = TimeWindows.ofSizeAndGrace(millis(window, "size"), millis(window, "grace"));
    return window.hasNonNull("advance") ? windows.advanceBy(millis(window, "advance")) : windows;
  }

  /** The store of an aggregation; counts are longs. */
  private static <S extends StateStore> Materialized<Object, Object, S> store(JsonNode node) {
    boolean count = node.hasNonNull("with") && text(node.get("with"), "fn").equals("count");
    Serde<Object> value = count ? (Serde) Serdes.Long() : VALUE;
    Materialized<Object, Object, S> store =
        Materialized.<Object, Object, S>as(text(node, "store")).withKeySerde(KEY).withValueSerde(value);
    if (node.hasNonNull("retention")) {
      return store.withRetention(millis(node, "retention"));
    }
    // Of windows that are forwarded when they close Kafka Streams loses those that the same step of
    // time makes expire. Ours keeps them; so must the store here, for the results to be comparable.
    // Sessions say themselves how long they are kept: what is still there joins late records.
    boolean sessions = node.hasNonNull("window") && text(node.get("window"), "kind").equals("session");
    return onClose(node) && !sessions ? store.withRetention(LONG) : store;
  }
}
