package dev.millrace.bench;

import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/**
 * A workload of the benchmark in Kafka Streams: what Millrace is measured against. Runs one of
 * {@link Workloads} until SIGTERM. Whatever is not an option keeps Kafka Streams' default (10 MB
 * record cache, topology optimization off).
 */
public final class Peer {
  private Peer() {}

  public static void main(String[] args) throws InterruptedException {
    Options options = Options.parse(args);
    Topology topology =
        new Workloads(
                options.required("balances-topic"),
                options.required("requests-topic"),
                options.required("output-topic"))
            .topology(options.required("workload"));
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
