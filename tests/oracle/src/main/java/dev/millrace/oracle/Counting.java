package dev.millrace.oracle;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;

/**
 * Counts the records of each key in a store, and writes the count behind each value. From time to time,
 * by the wall clock, it forwards all counts.
 */
final class Counting implements Processor<Object, Object, Object, Object> {
  private final String store;
  private final long every;
  private ProcessorContext<Object, Object> context;
  private TimestampedKeyValueStore<Object, Object> counts;

  /** Never by the clock where {@code every} is 0. */
  Counting(String store, long every) {
    this.store = store;
    this.every = every;
  }

  @Override
  public void init(ProcessorContext<Object, Object> context) {
    this.context = context;
    counts = context.getStateStore(store);
    if (every > 0) {
      context.schedule(Duration.ofMillis(every), PunctuationType.WALL_CLOCK_TIME, this::forwardAll);
    }
  }

  @Override
  public void process(Record<Object, Object> record) {
    context.forward(record.withValue(counted(counts, record.key(), record.value(), record.timestamp())));
  }

  private void forwardAll(long now) {
    List<KeyValue<Object, ValueAndTimestamp<Object>>> rows = new ArrayList<>();
    try (KeyValueIterator<Object, ValueAndTimestamp<Object>> all = counts.all()) {
      all.forEachRemaining(rows::add);
    }
    for (KeyValue<Object, ValueAndTimestamp<Object>> row : rows) {
      context.forward(new Record<>(row.key, "=" + row.value.value(), now));
    }
  }

  private static Object counted(
      TimestampedKeyValueStore<Object, Object> counts, Object key, Object value, long timestamp) {
    if (key == null) {
      return Functions.text(value) + "#";
    }
    ValueAndTimestamp<Object> before = counts.get(key);
    long count = before == null ? 1 : (Long) before.value() + 1;
    counts.put(key, ValueAndTimestamp.make(count, timestamp));
    return Functions.text(value) + "#" + count;
  }

  /** The same as a processor that cannot change keys; it has no clock. */
  static final class OfValues extends ContextualFixedKeyProcessor<Object, Object, Object> {
    private final String store;
    private TimestampedKeyValueStore<Object, Object> counts;

    OfValues(String store) {
      this.store = store;
    }

    @Override
    public void init(FixedKeyProcessorContext<Object, Object> context) {
      super.init(context);
      counts = context.getStateStore(store);
    }

    @Override
    public void process(FixedKeyRecord<Object, Object> record) {
      Object value = counted(counts, record.key(), record.value(), record.timestamp());
      context().forward(record.withValue(value));
    }
  }
}
