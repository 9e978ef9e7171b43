package dev.millrace.oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.util.Iterator;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.VersionedRecord;

/** What a store holds, as rows {@code [key, value, timestamp]}; sessions have no timestamp. */
final class StoreRows {
  private StoreRows() {}

  static void read(TopologyTestDriver driver, JsonNode store, JsonNode keys, ArrayNode into) {
    String name = store.get("name").textValue();
    switch (store.get("kind").textValue()) {
      case "keyValue" -> {
        try (KeyValueIterator<Object, ValueAndTimestamp<Object>> rows =
            driver.<Object, Object>getTimestampedKeyValueStore(name).all()) {
          add(rows, into);
        }
      }
      case "window" -> {
        try (KeyValueIterator<Windowed<Object>, ValueAndTimestamp<Object>> rows =
            driver.<Object, Object>getTimestampedWindowStore(name).all()) {
          add(rows, into);
        }
      }
      case "session" -> {
        try (KeyValueIterator<Windowed<Object>, Object> rows =
            driver.<Object, Object>getSessionStore(name).fetch(null, null)) {
          while (rows.hasNext()) {
            KeyValue<Windowed<Object>, Object> row = rows.next();
            into.addArray().add(CaseTopology.windowText(row.key)).add(JsonSerde.write(row.value)).add(-1);
          }
        }
      }
      default -> {
        for (JsonNode key : keys) {
          VersionedRecord<Object> row = driver.<Object, Object>getVersionedKeyValueStore(name).get(key.textValue());
          if (row != null) {
            into.addArray().add(key.textValue()).add(JsonSerde.write(row.value())).add(row.timestamp());
          }
        }
      }
    }
  }

  private static <K> void add(Iterator<KeyValue<K, ValueAndTimestamp<Object>>> rows, ArrayNode into) {
    while (rows.hasNext()) {
      KeyValue<K, ValueAndTimestamp<Object>> row = rows.next();
      String key = row.key instanceof Windowed<?> windowed ? CaseTopology.windowText(windowed) : (String) row.key;
      into.addArray().add(key).add(JsonSerde.write(row.value.value())).add(row.value.timestamp());
    }
  }
}
