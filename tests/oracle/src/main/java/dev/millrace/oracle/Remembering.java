package dev.millrace.oracle;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.internals.SessionWindow;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.TimestampedWindowStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;
import org.apache.kafka.streams.state.WindowStoreIterator;

/**
 * Keeps records in a store of windows, of sessions or of versions, and writes what the store says of the
 * key behind each value, and into a header.
 */
final class Remembering implements Processor<Object, Object, Object, Object> {
  private final String store;
  private final String kind;
  private final long span;
  private ProcessorContext<Object, Object> context;

  /** The span is the size of windows, the gap between sessions, or how far back versions are asked for. */
  Remembering(JsonNode node) {
    store = CaseTopology.text(node, "store");
    kind = CaseTopology.text(node, "kind");
    span = node.get("span").longValue();
  }

  /** Its store. On disk, as ours are: in memory rows expire another way. */
  static StoreBuilder<?> store(JsonNode node) {
    String name = CaseTopology.text(node, "store");
    var retention = CaseTopology.millis(node, "retention");
    return switch (CaseTopology.text(node, "kind")) {
      case "window" -> Stores.timestampedWindowStoreBuilder(
          Stores.persistentTimestampedWindowStore(name, retention, CaseTopology.millis(node, "span"), false),
          CaseTopology.KEY,
          CaseTopology.VALUE);
      case "session" -> Stores.sessionStoreBuilder(
          Stores.persistentSessionStore(name, retention), CaseTopology.KEY, CaseTopology.VALUE);
      default -> Stores.versionedKeyValueStoreBuilder(
          Stores.persistentVersionedKeyValueStore(name, retention), CaseTopology.KEY, CaseTopology.VALUE);
    };
  }

  @Override
  public void init(ProcessorContext<Object, Object> context) {
    this.context = context;
  }

  @Override
  public void process(Record<Object, Object> record) {
    String said = record.key() == null
        ? "nobody"
        : switch (kind) {
          case "window" -> windows(record);
          case "session" -> sessions(record);
          default -> versions(record);
        };
    Headers headers = new RecordHeaders(record.headers());
    headers.add("said", said.getBytes(StandardCharsets.UTF_8));
    context.forward(record.withValue(Functions.text(record.value()) + "#" + said).withHeaders(headers));
  }

  private String windows(Record<Object, Object> record) {
    TimestampedWindowStore<Object, Object> windows = context.getStateStore(store);
    long time = record.timestamp();
    long start = time / span * span;
    ValueAndTimestamp<Object> before = windows.fetch(record.key(), start);
    long count = before == null ? 1 : (Long) before.value() + 1;
    windows.put(record.key(), ValueAndTimestamp.make(count, time), start);
    List<String> found = new ArrayList<>();
    try (WindowStoreIterator<ValueAndTimestamp<Object>> rows =
        windows.fetch(record.key(), Math.max(0, time - 3 * span), time)) {
      rows.forEachRemaining(row -> found.add(row.key + ":" + row.value.value() + "@" + row.value.timestamp()));
    }
    return String.join(",", found);
  }

  private String sessions(Record<Object, Object> record) {
    SessionStore<Object, Object> sessions = context.getStateStore(store);
    long start = record.timestamp();
    long end = start;
    long count = 1;
    List<Windowed<Object>> merged = new ArrayList<>();
    try (KeyValueIterator<Windowed<Object>, Object> rows =
        sessions.findSessions(record.key(), Math.max(0, end - span), start + span)) {
      while (rows.hasNext()) {
        KeyValue<Windowed<Object>, Object> row = rows.next();
        start = Math.min(start, row.key.window().start());
        end = Math.max(end, row.key.window().end());
        count += (Long) row.value;
        merged.add(row.key);
      }
    }
    merged.forEach(sessions::remove);
    sessions.put(new Windowed<>(record.key(), new SessionWindow(start, end)), count);
    List<String> found = new ArrayList<>();
    try (KeyValueIterator<Windowed<Object>, Object> rows = sessions.fetch(record.key())) {
      rows.forEachRemaining(
          row -> found.add(row.key.window().start() + "/" + row.key.window().end() + ":" + row.value));
    }
    return String.join(",", found);
  }

  private String versions(Record<Object, Object> record) {
    VersionedKeyValueStore<Object, Object> versions = context.getStateStore(store);
    long time = record.timestamp();
    String written;
    if (record.value() == null) {
      written = version(versions.delete(record.key(), time));
    } else {
      long until = versions.put(record.key(), record.value(), time);
      written = until == VersionedKeyValueStore.PUT_RETURN_CODE_NOT_PUT
          ? "expired"
          : until == VersionedKeyValueStore.PUT_RETURN_CODE_VALID_TO_UNDEFINED ? "latest" : "until " + until;
    }
    VersionedRecord<Object> earlier = versions.get(record.key(), Math.max(0, time - span));
    return written + "," + version(versions.get(record.key())) + "," + version(earlier);
  }

  private static String version(VersionedRecord<Object> record) {
    return record == null ? "none" : Functions.brief(record.value()) + "@" + record.timestamp();
  }
}
