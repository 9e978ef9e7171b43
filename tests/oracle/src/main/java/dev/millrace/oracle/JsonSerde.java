package dev.millrace.oracle;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/** JSON texts of the two kinds that cases are made of: a string without escapes, and an integer. */
public final class JsonSerde implements Serde<Object> {
  @Override
  public Serializer<Object> serializer() {
    return (topic, value) -> value == null ? null : write(value).getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public Deserializer<Object> deserializer() {
    return (topic, bytes) -> bytes == null ? null : read(new String(bytes, StandardCharsets.UTF_8));
  }

  /** The JSON text of a string or a long. */
  static String write(Object value) {
    return value instanceof String ? '"' + (String) value + '"' : value.toString();
  }

  private static Object read(String text) {
    if (text.length() >= 2 && text.startsWith("\"") && text.endsWith("\"")) {
      return text.substring(1, text.length() - 1);
    }
    try {
      return Long.valueOf(text);
    } catch (NumberFormatException error) {
      throw new SerializationException("neither a string nor an integer: " + text, error);
    }
  }
}
