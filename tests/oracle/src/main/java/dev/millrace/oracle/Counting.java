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
 * by the wall clock or by stream time, it forwards all counts; by stream time it then forgets the high
 * ones, so that it shows in later counts which records came before a call.
 */
final class Counting implements Processor<Object, Object, Object, Object> {
  /** Counts from this one on are forgotten by stream time. */
  private static final long HIGH = 3;

  private final String store;
  private final long every;
  private final long everyStreamTime;
  private ProcessorContext<Object, Object> context;
  private TimestampedKeyValueStore<Object, Object> counts;

  /** Never by a clock whose interval is 0. */
  Counting(String store, long every, long everyStreamTime) {
    this.store = store;
    this.every = every;
    this.everyStreamTime = everyStreamTime;
  }

  @Override
  public void init(ProcessorContext<Object, Object> context) {
    this.context = context;
    counts = context.getStateStore(store);
    if (every > 0) {
      context.schedule(Duration.ofMillis(every), PunctuationType.WALL_CLOCK_TIME, now -> forwardAll("=", now));
    }
    if (everyStreamTime > 0) {
      context.schedule(Duration.ofMillis(everyStreamTime), PunctuationType.STREAM_TIME, time -> {
        forwardAll("~", time);
        forgetHigh(counts);
      });
    }
  }

  @Override
  public void process(Record<Object, Object> record) {
    context.forward(record.withValue(counted(counts, record.key(), record.value(), record.timestamp())));
  }

  private void forwardAll(String sign, long now) {
    for (KeyValue<Object, ValueAndTimestamp<Object>> row : all(counts)) {
      context.forward(new Record<>(row.key, sign + row.value.value(), now));
    }
  }

  private static void forgetHigh(TimestampedKeyValueStore<Object, Object> counts) {
    for (KeyValue<Object, ValueAndTimestamp<Object>> row : all(counts)) {
      if ((Long) row.value.value() >= HIGH) {
        counts.delete(row.key);
      }
    }
  }

  private static List<KeyValue<Object, ValueAndTimestamp<Object>>> all(
      TimestampedKeyValueStore<Object, Object> counts) {
    List<KeyValue<Object, ValueAndTimestamp<Object>>> rows = new ArrayList<>();
    try (KeyValueIterator<Object, ValueAndTimestamp<Object>> all = counts.all()) {
      all.forEachRemaining(rows::add);
    }
    return rows;
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

  /** The same as a processor that cannot change keys: a call by time has none that it could forward. */
  static final class OfValues extends ContextualFixedKeyProcessor<Object, Object, Object> {
    private final String store;
    private final long everyStreamTime;
    private TimestampedKeyValueStore<Object, Object> counts;

    OfValues(String store, long everyStreamTime) {
      this.store = store;
      this.everyStreamTime = everyStreamTime;
    }

    @Override
    public void init(FixedKeyProcessorContext<Object, Object> context) {
      super.init(context);
      counts = context.getStateStore(store);
      if (everyStreamTime > 0) {
        context.schedule(
            Duration.ofMillis(everyStreamTime), PunctuationType.STREAM_TIME, time -> forgetHigh(counts));
      }
    }

    @Override
    public void process(FixedKeyRecord<Object, Object> record) {
      Object value = counted(counts, record.key(), record.value(), record.timestamp());
      context().forward(record.withValue(value));
    }
  }
}
