package dev.millrace.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.List;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The topologies of tests/bench/*.yaml, operator by operator and expression by expression. Stores are
 * in RocksDB, each with a changelog of its own.
 *
 * <p>Where a store's record cache would swallow results (a window's count, a table's change that is
 * joined), caching is off: each side then writes the same results, one by one, which the bench checks.
 */
final class Workloads {
  private static final Duration COUNT_WINDOW = Duration.ofMinutes(10);
  private static final Duration COUNT_GRACE = Duration.ofSeconds(30);
  private static final Duration JOIN_REACH = Duration.ofMinutes(2);
  private static final Duration JOIN_GRACE = Duration.ofMinutes(1);
  private static final BigDecimal CHARGE = new BigDecimal("1.01");
  private static final BigDecimal LEAST_CHARGED = new BigDecimal("2525");

  private final Serde<String> keys = Serdes.String();
  private final Serde<JsonNode> values = new JsonSerde();
  private final StreamsBuilder builder = new StreamsBuilder();
  private final String balances;
  private final String requests;
  private final String output;

  Workloads(String balances, String requests, String output) {
    this.balances = balances;
    this.requests = requests;
    this.output = output;
  }

  /** The topology of a workload, by its name in bench-results.json. */
  Topology topology(String workload) {
    switch (workload) {
      case "loan_join" -> loanJoin();
      case "windowed_count" -> windowedCount();
      case "stream_stream_join" -> streamStreamJoin();
      case "table_table_join" -> tableTableJoin();
      case "map_filter" -> mapFilter();
      default -> throw new IllegalArgumentException("there is no workload `" + workload + "`");
    }
    return builder.build();
  }

  private void loanJoin() {
    KTable<String, JsonNode> table =
        builder.table(balances, consumed(), stored("account-balances-table"));
    stream(requests)
        .leftJoin(table, Workloads::evaluated, Joined.with(keys, values, values))
        .to(output, produced());
  }

  private void windowedCount() {
    Materialized<String, Long, WindowStore<Bytes, byte[]>> counts =
        Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("counts")
            .withKeySerde(keys)
            .withValueSerde(Serdes.Long())
            .withCachingDisabled();
    builder.stream(List.of(balances, requests), consumed())
        .groupByKey(Grouped.with(keys, values))
        .windowedBy(TimeWindows.ofSizeAndGrace(COUNT_WINDOW, COUNT_GRACE))
        .count(counts)
        .toStream()
        .to(
            output,
            Produced.with(
                WindowedSerdes.timeWindowedSerdeFrom(String.class, COUNT_WINDOW.toMillis()),
                Serdes.Long()));
  }

  private void streamStreamJoin() {
    JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(JOIN_REACH, JOIN_GRACE);
    stream(requests)
        .join(
            stream(balances),
            Workloads::evaluated,
            windows,
            StreamJoined.with(keys, values, values).withName("evaluated").withStoreName("evaluated"))
        .to(output, produced());
  }

  private void tableTableJoin() {
    KTable<String, JsonNode> left =
        builder.table(requests, consumed(), stored("requests").withCachingDisabled());
    KTable<String, JsonNode> right =
        builder.table(balances, consumed(), stored("balances").withCachingDisabled());
    left.join(right, Workloads::evaluated).toStream().to(output, produced());
  }

  private void mapFilter() {
    builder.stream(List.of(balances, requests), consumed())
        .mapValues(Workloads::charged)
        .filter((key, value) -> value.get("charged").decimalValue().compareTo(LEAST_CHARGED) >= 0)
        .to(output, produced());
  }

  private KStream<String, JsonNode> stream(String topic) {
    return builder.stream(topic, consumed());
  }

  private Consumed<String, JsonNode> consumed() {
    return Consumed.with(keys, values);
  }

  private Produced<String, JsonNode> produced() {
    return Produced.with(keys, values);
  }

  private Materialized<String, JsonNode, KeyValueStore<Bytes, byte[]>> stored(String name) {
    return Materialized.<String, JsonNode, KeyValueStore<Bytes, byte[]>>as(name)
        .withKeySerde(keys)
        .withValueSerde(values);
  }

  /** The expression of the three joins. */
  private static JsonNode evaluated(JsonNode request, JsonNode balance) {
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

  /** The expression of tests/bench/map-filter.yaml. */
  private static JsonNode charged(JsonNode record) {
    JsonNode amount = record.has("amount") ? record.get("amount") : record.get("balance");
    ObjectNode result = JsonSerde.MAPPER.createObjectNode();
    result.set("account", record.get("account"));
    result.put("charged", amount.decimalValue().multiply(CHARGE));
    return result;
  }
}
