package dev.millrace.oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.test.TestRecord;

/** One case: its steps one by one through a TopologyTestDriver, without record cache. */
final class CaseRun {
  private final ObjectMapper mapper;
  private final JsonNode test;
  private final Path state;

  CaseRun(ObjectMapper mapper, JsonNode test, Path state) {
    this.mapper = mapper;
    this.test = test;
    this.state = state;
  }

  /** {@code {id, steps: [[[topic, key, value, timestamp, headers]]], stores: {name: [row]}, error}}. */
  ObjectNode result() {
    ObjectNode result = mapper.createObjectNode();
    result.set("id", test.get("id"));
    ArrayNode steps = result.putArray("steps");
    ObjectNode stores = result.putObject("stores");
    AtomicLong clock = new AtomicLong(test.get("now").longValue());
    Instant start = Instant.ofEpochMilli(clock.get());
    try (TopologyTestDriver driver =
        new TopologyTestDriver(CaseTopology.of(test.get("nodes"), clock::get), settings(), start)) {
      Set<String> outputs = sinkTopics();
      Map<String, TestInputTopic<byte[], byte[]>> inputs = new TreeMap<>();
      boolean restores = test.hasNonNull("changelog");
      if (restores) {
        Restore.all(driver, test.get("changelog"));
      }
      for (JsonNode step : restores ? mapper.createArrayNode() : test.get("steps")) {
        if (step.hasNonNull("advance")) {
          long advance = step.get("advance").longValue();
          clock.addAndGet(advance);
          driver.advanceWallClockTime(Duration.ofMillis(advance));
        } else {
          String topic = step.get("topic").textValue();
          inputs.computeIfAbsent(topic, name ->
                  driver.createInputTopic(name, new ByteArraySerializer(), new ByteArraySerializer()))
              .pipeInput(record(step));
        }
        read(driver, outputs, steps.addArray());
      }
      for (JsonNode store : test.get("stores")) {
        StoreRows.read(driver, store, test.get("keys"), stores.putArray(store.get("name").textValue()));
      }
    } catch (RuntimeException error) {
      result.put("error", error + (error.getCause() == null ? "" : ": " + error.getCause()));
    }
    return result;
  }

  private Properties settings() {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, CaseTopology.APPLICATION);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
    settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, CaseTopology.KEY.getClass());
    settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, JsonSerde.class);
    if (!test.get("rocksdb").booleanValue()) {
      settings.put(
          StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG,
          BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
    }
    return settings;
  }

  /** The topics that sinks write to; those that records name as well. */
  private Set<String> sinkTopics() {
    Set<String> topics = new TreeSet<>();
    for (JsonNode node : test.get("nodes")) {
      if (node.get("op").textValue().equals("to")) {
        String topic = node.get("topic").textValue();
        if (node.hasNonNull("routes")) {
          for (int route = 0; route < node.get("routes").intValue(); route++) {
            topics.add(topic + "-" + route);
          }
        } else {
          topics.add(topic);
        }
      }
    }
    return topics;
  }

  private static TestRecord<byte[], byte[]> record(JsonNode step) {
    RecordHeaders headers = new RecordHeaders();
    for (JsonNode header : step.get("headers")) {
      headers.add(header.get(0).textValue(), utf8(header.get(1)));
    }
    Instant time = Instant.ofEpochMilli(step.get("ts").longValue());
    return new TestRecord<>(utf8(step.get("key")), utf8(step.get("value")), headers, time);
  }

  private static void read(TopologyTestDriver driver, Set<String> topics, ArrayNode into) {
    Set<String> written = new TreeSet<>(topics);
    // The driver knows no topic that a record names before there is such a record.
    written.retainAll(driver.producedTopicNames());
    // What one subtopology hands to another is the same too: bytes, times and order.
    driver.producedTopicNames().stream()
        .filter(topic -> topic.endsWith("-repartition"))
        .forEach(written::add);
    for (String topic : written) {
      TestOutputTopic<byte[], byte[]> output =
          driver.createOutputTopic(topic, new ByteArrayDeserializer(), new ByteArrayDeserializer());
      for (TestRecord<byte[], byte[]> record : output.readRecordsToList()) {
        StringBuilder headers = new StringBuilder();
        for (Header header : record.headers()) {
          headers.append(header.key()).append('=').append(text(header.value())).append(';');
        }
        into.addArray()
            .add(topic)
            .add(text(record.key()))
            .add(text(record.value()))
            .add(record.timestamp())
            .add(headers.toString());
      }
    }
  }

  private static byte[] utf8(JsonNode text) {
    return text.isNull() ? null : text.textValue().getBytes(StandardCharsets.UTF_8);
  }

  /** Bytes as text: ASCII as it is, everything else as backslash, x, two digits. */
  private static String text(byte[] bytes) {
    if (bytes == null) {
      return null;
    }
    StringBuilder text = new StringBuilder();
    for (byte b : bytes) {
      if (b >= ' ' && b <= '~') {
        text.append((char) b);
      } else {
        text.append(String.format("\\x%02x", b));
      }
    }
    return text.toString();
  }
}
