package dev.millrace.oracle;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.function.LongSupplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.processor.FailOnInvalidTimestamp;
import org.apache.kafka.streams.processor.LogAndSkipOnInvalidTimestamp;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.processor.UsePartitionTimeOnInvalidTimestamp;

/**
 * Times of a source's records: by the wall clock, or by their values; what has none is left to Kafka
 * Streams' own policies.
 */
final class EventTime {
  /** What becomes of a record without a time. */
  private interface Policy {
    long onInvalidTimestamp(ConsumerRecord<Object, Object> record, long timestamp, long partitionTime);
  }

  private EventTime() {}

  /**
   * Kafka Streams' own {@code WallclockTimestampExtractor} reads the system's clock, and not the one that
   * the test driver has for everything else: this is the same, by the case's clock.
   */
  static TimestampExtractor of(JsonNode time, LongSupplier clock) {
    if (time.isTextual()) {
      return (record, partitionTime) -> clock.getAsLong();
    }
    long by = time.get("by").longValue();
    String none = time.get("s").textValue();
    Policy policy = switch (time.get("invalid").textValue()) {
      case "fail" -> new FailOnInvalidTimestamp()::onInvalidTimestamp;
      case "skip" -> new LogAndSkipOnInvalidTimestamp()::onInvalidTimestamp;
      default -> new UsePartitionTimeOnInvalidTimestamp()::onInvalidTimestamp;
    };
    return (record, partitionTime) -> {
      String text = Functions.text(record.value());
      return text.contains(none)
          ? policy.onInvalidTimestamp(untyped(record), -1, partitionTime)
          : record.timestamp() - by * text.length();
    };
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static ConsumerRecord<Object, Object> untyped(ConsumerRecord record) {
    return record;
  }
}
