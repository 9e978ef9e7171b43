package dev.millrace.oracle;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.function.Consumer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.ValueJoiner;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Writes worker/tests/data/kafka-streams-windows.txt: random records through windows, stream joins,
 * suppression and versioned joins, and what Kafka Streams made of each. Arguments: seed, cases per
 * topology, state directory. The output goes to standard output.
 */
public final class WindowCases {
  private static final Consumed<String, String> CONSUMED =
      Consumed.with(Serdes.String(), Serdes.String());
  private static final Produced<String, String> PRODUCED =
      Produced.with(Serdes.String(), Serdes.String());
  private static final ValueJoiner<String, String, String> PAIR = (l, r) -> "[" + l + "," + r + "]";

  private WindowCases() {}

  private static Duration ms(long millis) {
    return Duration.ofMillis(millis);
  }

  private static KGroupedStream<String, String> grouped(StreamsBuilder builder) {
    return builder
        .stream("in", CONSUMED)
        .groupByKey(Grouped.with(Serdes.String(), Serdes.String()));
  }

  private static <S extends StateStore> Materialized<String, Long, S> counts() {
    return Materialized.<String, Long, S>with(Serdes.String(), Serdes.Long()).withCachingDisabled();
  }

  /** With a retention so long that no window is lost before it is forwarded. */
  private static <S extends StateStore> Materialized<String, Long, S> kept() {
    return WindowCases.<S>counts().withRetention(Duration.ofDays(1));
  }

  private static void show(KTable<Windowed<String>, Long> table) {
    table
        .toStream()
        .map(
            (key, value) -> {
              String window = "[" + key.window().start() + "," + key.window().end() + "]";
              return KeyValue.pair(key.key() + window, value == null ? null : value.toString());
            })
        .to("out", PRODUCED);
  }

  private static KTable<Windowed<String>, Long> last(KTable<Windowed<String>, Long> table) {
    return table.suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()));
  }

  private static void join(StreamsBuilder builder, String kind) {
    KStream<String, String> left = builder.stream("in", CONSUMED);
    KStream<String, String> right = builder.stream("right", CONSUMED);
    JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(ms(10), ms(4)).after(ms(5));
    StreamJoined<String, String, String> with =
        StreamJoined.with(Serdes.String(), Serdes.String(), Serdes.String());
    KStream<String, String> joined =
        switch (kind) {
          case "join" -> left.join(right, PAIR, windows, with);
          case "leftJoin" -> left.leftJoin(right, PAIR, windows, with);
          default -> left.outerJoin(right, PAIR, windows, with);
        };
    joined.to("out", PRODUCED);
  }

  private static void suppressTable(StreamsBuilder builder, long limit, BufferConfig<?> bounds) {
    Materialized<String, String, KeyValueStore<Bytes, byte[]>> store =
        Materialized.with(Serdes.String(), Serdes.String());
    builder
        .table("in", CONSUMED, store.withCachingDisabled())
        .suppress(Suppressed.untilTimeLimit(ms(limit), bounds))
        .toStream()
        .to("out", PRODUCED);
  }

  private static void versionedJoin(StreamsBuilder builder, Duration grace) {
    KTable<String, String> table =
        builder.table(
            "right",
            CONSUMED,
            Materialized.as(Stores.persistentVersionedKeyValueStore("versions", ms(50))));
    Joined<String, String, String> with =
        Joined.with(Serdes.String(), Serdes.String(), Serdes.String(), "joined", grace);
    builder.stream("in", CONSUMED).leftJoin(table, PAIR, with).to("out", PRODUCED);
  }

  private static Map<String, Consumer<StreamsBuilder>> topologies() {
    TimeWindows tumbling = TimeWindows.ofSizeAndGrace(ms(10), ms(5));
    TimeWindows hopping = TimeWindows.ofSizeAndGrace(ms(10), ms(7)).advanceBy(ms(4));
    SessionWindows sessions = SessionWindows.ofInactivityGapAndGrace(ms(5), ms(10));
    SlidingWindows sliding = SlidingWindows.ofTimeDifferenceAndGrace(ms(10), ms(15));
    SessionWindows short3 = SessionWindows.ofInactivityGapAndGrace(ms(5), ms(3));
    SlidingWindows sliding5 = SlidingWindows.ofTimeDifferenceAndGrace(ms(10), ms(5));
    EmitStrategy close = EmitStrategy.onWindowClose();
    Map<String, Consumer<StreamsBuilder>> all = new LinkedHashMap<>();
    all.put("tumbling", b -> show(grouped(b).windowedBy(tumbling).count(counts())));
    all.put("hopping", b -> show(grouped(b).windowedBy(hopping).count(counts())));
    all.put("session", b -> show(grouped(b).windowedBy(sessions).count(counts())));
    all.put("sliding", b -> show(grouped(b).windowedBy(sliding).count(counts())));
    all.put(
        "closing",
        b -> show(grouped(b).windowedBy(tumbling).emitStrategy(close).count(kept())));
    all.put(
        "closing-hop",
        b -> {
          TimeWindows windows = tumbling.advanceBy(ms(4));
          show(grouped(b).windowedBy(windows).emitStrategy(close).count(kept()));
        });
    all.put(
        "closing-session",
        b -> show(grouped(b).windowedBy(short3).emitStrategy(close).count(counts())));
    all.put(
        "closing-sliding",
        b -> show(grouped(b).windowedBy(sliding5).emitStrategy(close).count(kept())));
    for (String kind : new String[] {"join", "leftJoin", "outerJoin"}) {
      all.put(kind, b -> join(b, kind));
    }
    all.put("suppress", b -> show(last(grouped(b).windowedBy(tumbling).count(counts()))));
    all.put("suppress-session", b -> show(last(grouped(b).windowedBy(short3).count(counts()))));
    all.put(
        "suppress-time",
        b -> suppressTable(b, 10, BufferConfig.maxRecords(2).emitEarlyWhenFull()));
    all.put(
        "suppress-bytes",
        b -> suppressTable(b, 20, BufferConfig.maxBytes(100).emitEarlyWhenFull()));
    all.put("grace", b -> versionedJoin(b, ms(10)));
    all.put("versioned", b -> versionedJoin(b, null));
    return all;
  }

  private static Properties properties(Path state) {
    Properties properties = new Properties();
    properties.put("application.id", "app");
    properties.put("bootstrap.servers", "none:1");
    properties.put("statestore.cache.max.bytes", "0");
    properties.put("default.key.serde", Serdes.StringSerde.class.getName());
    properties.put("default.value.serde", Serdes.StringSerde.class.getName());
    properties.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", "0");
    properties.put("__emit.interval.ms.kstreams.windowed.aggregation__", "0");
    properties.put("state.dir", state.toString());
    return properties;
  }

  public static void main(String[] args) throws IOException {
    Random random = new Random(Long.parseLong(args[0]));
    int cases = Integer.parseInt(args[1]);
    Properties properties = properties(Path.of(args[2]));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    out.println(
        "# Inputs, and what Kafka Streams 4.3.0 made of them: see worker/tests/engine/kafka_streams.rs.");
    for (int number = 0; number < cases; number++) {
      for (Map.Entry<String, Consumer<StreamsBuilder>> topology : topologies().entrySet()) {
        StreamsBuilder builder = new StreamsBuilder();
        topology.getValue().accept(builder);
        out.println("case " + topology.getKey());
        try (TopologyTestDriver driver =
            new TopologyTestDriver(builder.build(), properties, Instant.EPOCH)) {
          run(driver, topology.getKey(), random, out);
        }
      }
    }
    out.flush();
  }

  /** Times drift forward, with strays back and long steps ahead. */
  private static void run(
      TopologyTestDriver driver, String topology, Random random, PrintStream out) {
    StringSerializer text = new StringSerializer();
    TestInputTopic<String, String> in = driver.createInputTopic("in", text, text);
    boolean joins = topology.toLowerCase().contains("join");
    boolean two = joins || topology.equals("grace") || topology.equals("versioned");
    TestInputTopic<String, String> right = two ? driver.createInputTopic("right", text, text) : in;
    StringDeserializer read = new StringDeserializer();
    TestOutputTopic<String, String> results = driver.createOutputTopic("out", read, read);
    long now = random.nextInt(30);
    int records = 5 + random.nextInt(40);
    for (int number = 0; number < records; number++) {
      now += random.nextInt(3) == 0 ? random.nextInt(12) : 0;
      now += random.nextInt(15) == 0 ? random.nextInt(60) : 0;
      long time = Math.max(0, now - (random.nextBoolean() ? 0 : random.nextInt(25)));
      String key = new String[] {"a", "b", "ab"}[random.nextInt(3)];
      String value = Integer.toString(random.nextInt(100));
      // A null key fails Kafka Streams' join with a grace.
      key = random.nextInt(25) == 0 && !topology.equals("grace") ? null : key;
      value = random.nextInt(12) == 0 ? null : value;
      boolean toRight = two && random.nextBoolean();
      String topic = toRight ? "right" : "in";
      out.println("in\t" + topic + "\t" + key + "\t" + value + "\t" + time);
      (toRight ? right : in).pipeInput(key, value, time);
      for (TestRecord<String, String> result : results.readRecordsToList()) {
        out.println("out\t" + result.key() + ":" + result.value() + "@" + result.timestamp());
      }
    }
  }
}
