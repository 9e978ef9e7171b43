package dev.millrace.oracle;

import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.streams.TopologyTestDriver;

/**
 * Changelog records into the stores of a driver, by what restores them in a running application: the
 * ProcessorStateManager of the driver's task, which is not public and so is reached by reflection.
 */
final class Restore {
  private Restore() {}

  /** Records {@code [store, key, value, timestamp]}, bytes in hexadecimal. */
  static void all(TopologyTestDriver driver, JsonNode changelog) {
    Map<String, List<ConsumerRecord<byte[], byte[]>>> byStore = new TreeMap<>();
    for (JsonNode record : changelog) {
      String store = record.get(0).textValue();
      List<ConsumerRecord<byte[], byte[]>> records = byStore.computeIfAbsent(store, s -> new ArrayList<>());
      records.add(consumed(topic(store), records.size(), record));
    }
    try {
      Object manager = field(field(driver, "task"), "stateMgr");
      Method find = method(manager, "storeMetadata", TopicPartition.class);
      Method restore = method(manager, "restore", find.getReturnType(), List.class, OptionalLong.class);
      for (Map.Entry<String, List<ConsumerRecord<byte[], byte[]>>> store : byStore.entrySet()) {
        Object metadata = find.invoke(manager, new TopicPartition(topic(store.getKey()), 0));
        // One by one: of a batch a versioned store leaves out what has expired at the batch's end. A key
        // that was deleted before then has an older version again, if that was written after the deletion.
        for (ConsumerRecord<byte[], byte[]> record : store.getValue()) {
          restore.invoke(manager, metadata, List.of(record), OptionalLong.empty());
        }
      }
    } catch (ReflectiveOperationException error) {
      throw new IllegalStateException(error.getCause() == null ? error : error.getCause());
    }
  }

  private static String topic(String store) {
    return CaseTopology.APPLICATION + "-" + store + "-changelog";
  }

  private static ConsumerRecord<byte[], byte[]> consumed(String topic, long offset, JsonNode record) {
    byte[] key = HexFormat.of().parseHex(record.get(1).textValue());
    byte[] value = record.get(2).isNull() ? null : HexFormat.of().parseHex(record.get(2).textValue());
    return new ConsumerRecord<>(
        topic, 0, offset, record.get(3).longValue(), TimestampType.CREATE_TIME, key.length,
        value == null ? 0 : value.length, key, value, new RecordHeaders(), Optional.empty());
  }

  private static Object field(Object of, String name) throws ReflectiveOperationException {
    for (Class<?> type = of.getClass(); type != null; type = type.getSuperclass()) {
      for (Field field : type.getDeclaredFields()) {
        if (field.getName().equals(name)) {
          field.setAccessible(true);
          return field.get(of);
        }
      }
    }
    throw new NoSuchFieldException(name);
  }

  private static Method method(Object of, String name, Class<?>... parameters)
      throws ReflectiveOperationException {
    Method method = of.getClass().getDeclaredMethod(name, parameters);
    method.setAccessible(true);
    return method;
  }
}
