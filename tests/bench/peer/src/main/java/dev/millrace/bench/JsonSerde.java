package dev.millrace.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.IOException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/**
 * JSON bytes to a Jackson tree and back. Numbers with a fraction are {@code BigDecimal}s with their
 * scale, as in Millrace: money never passes through a double on either side of the comparison.
 */
final class JsonSerde implements Serde<JsonNode> {
  static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
          .nodeFactory(JsonNodeFactory.withExactBigDecimals(true))
          .build();

  @Override
  public Serializer<JsonNode> serializer() {
    return (topic, value) -> {
      try {
        return value == null ? null : MAPPER.writeValueAsBytes(value);
      } catch (JsonProcessingException e) {
        throw new SerializationException("cannot write JSON for topic " + topic, e);
      }
    };
  }

  @Override
  public Deserializer<JsonNode> deserializer() {
    return (topic, bytes) -> {
      try {
        return bytes == null ? null : MAPPER.readTree(bytes);
      } catch (IOException e) {
        throw new SerializationException("cannot read JSON from topic " + topic, e);
      }
    };
  }
}
