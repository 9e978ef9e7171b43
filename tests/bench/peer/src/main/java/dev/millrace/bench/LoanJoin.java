package dev.millrace.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The loan join in Kafka Streams: what Millrace is measured against. The topology is the one of
 * tests/bench/loan-join.yaml: a table in RocksDB with its own changelog, a stream that left joins it,
 * a topic with the verdicts. Whatever is not an option keeps Kafka Streams' default (10 MB record
 * cache, topology optimization off).
 */
public final class LoanJoin {
  private LoanJoin() {}

  public static void main(String[] args) throws InterruptedException {
    Options options = Options.parse(args);
    Topology topology =
        topology(
            options.required("table-topic"),
            options.required("stream-topic"),
            options.required("output-topic"));
    CountDownLatch stopped = new CountDownLatch(1);
    AtomicBoolean failed = new AtomicBoolean();

    try (KafkaStreams streams = new KafkaStreams(topology, config(options))) {
      streams.setStateListener(
          (now, before) -> {
            long uptime = ManagementFactory.getRuntimeMXBean().getUptime();
            System.out.printf("state %s after %d ms%n", now, uptime);
          });
      streams.setUncaughtExceptionHandler(
          error -> {
            error.printStackTrace();
            failed.set(true);
            stopped.countDown();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
          });
      CountDownLatch closed = new CountDownLatch(1);
      Runtime.getRuntime()
          .addShutdownHook(
              new Thread(
                  () -> {
                    stopped.countDown();
                    awaitQuietly(closed);
                  }));
      streams.start();
      stopped.await();
      streams.close(Duration.ofSeconds(10));
      closed.countDown();
    }
    if (failed.get()) {
      Runtime.getRuntime().halt(1);
    }
  }

  private static Topology topology(String tableTopic, String streamTopic, String outputTopic) {
    Serde<String> keys = Serdes.String();
    Serde<JsonNode> values = new JsonSerde();
    StreamsBuilder builder = new StreamsBuilder();
    KTable<String, JsonNode> balances =
        builder.table(
            tableTopic,
            Consumed.with(keys, values),
            Materialized.<String, JsonNode, KeyValueStore<Bytes, byte[]>>as("account-balances-table")
                .withKeySerde(keys)
                .withValueSerde(values));
    builder.stream(streamTopic, Consumed.with(keys, values))
        .leftJoin(balances, LoanJoin::evaluate, Joined.with(keys, values, values))
        .to(outputTopic, Produced.with(keys, values));
    return builder.build();
  }

  /** The expression of tests/bench/loan-join.yaml. */
  private static JsonNode evaluate(JsonNode request, JsonNode balance) {
    boolean covered =
        balance != null
            && balance.get("balance").decimalValue().compareTo(request.get("amount").decimalValue())
                >= 0;
    ObjectNode result = JsonSerde.MAPPER.createObjectNode();
    result.set("account", request.get("account"));
    result.set("amount", request.get("amount"));
    result.put("status", covered ? "approved" : "rejected");
    return result;
  }

  private static Properties config(Options options) {
    Properties config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, options.required("application-id"));
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.required("bootstrap-servers"));
    config.put(StreamsConfig.STATE_DIR_CONFIG, options.required("state-dir"));
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, options.required("guarantee"));
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.or("threads", "1"));
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.or("commit-interval-ms", "100"));
    config.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.NO_OPTIMIZATION);
    options.forEachWithPrefix(
        "producer.", (name, value) -> config.put(StreamsConfig.producerPrefix(name), value));
    // A transaction may not outlive the wait for the one before it; the same value as Millrace's.
    config.put(StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG), "10000");
    return config;
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
