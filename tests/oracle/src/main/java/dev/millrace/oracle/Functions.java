package dev.millrace.oracle;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Aggregator;
import org.apache.kafka.streams.kstream.Initializer;
import org.apache.kafka.streams.kstream.KeyValueMapper;
import org.apache.kafka.streams.kstream.Merger;
import org.apache.kafka.streams.kstream.Predicate;
import org.apache.kafka.streams.kstream.Reducer;
import org.apache.kafka.streams.kstream.ValueJoiner;
import org.apache.kafka.streams.kstream.Windowed;

/**
 * The fixed vocabulary of functions, by name. The other side has each as an expression of the same
 * meaning. Most write down what they were called with, so that a difference in order shows.
 */
final class Functions {
  /** Characters of a value that an aggregate keeps, so that aggregates of aggregates stay small. */
  private static final int SHORT = 8;

  private Functions() {}

  /** A value or key as text; what is missing is "null", and a key's window is left out. */
  static String text(Object value) {
    if (value instanceof Windowed<?> windowed) {
      return text(windowed.key());
    }
    return value == null ? "null" : value.toString();
  }

  static String brief(Object value) {
    String text = text(value);
    return text.length() > SHORT ? text.substring(text.length() - SHORT) : text;
  }

  static Predicate<Object, Object> predicate(JsonNode fn) {
    switch (name(fn)) {
      case "sizeMod":
        int n = fn.get("n").intValue();
        int is = fn.get("is").intValue();
        return (key, value) -> text(value).length() % n == is;
      case "contains":
        String part = fn.get("s").textValue();
        return (key, value) -> text(value).contains(part);
      case "keyIs":
        String wanted = fn.get("s").textValue();
        return (key, value) -> text(key).equals(wanted);
      default:
        throw unknown("predicate", fn);
    }
  }

  static KeyValueMapper<Object, Object, Object> value(JsonNode fn) {
    switch (name(fn)) {
      case "same":
        return (key, value) -> value;
      case "append":
        String suffix = fn.get("s").textValue();
        return (key, value) -> text(value) + suffix;
      case "size":
        return (key, value) -> (long) text(value).length();
      case "withKey":
        return (key, value) -> text(key) + "=" + text(value);
      case "nullIf":
        String part = fn.get("s").textValue();
        return (key, value) -> text(value).contains(part) ? null : value;
      default:
        throw unknown("value function", fn);
    }
  }

  static KeyValueMapper<Object, Object, Object> key(JsonNode fn) {
    switch (name(fn)) {
      case "const":
        String constant = fn.get("s").textValue();
        return (key, value) -> constant;
      case "sizeKey":
        int n = fn.get("n").intValue();
        return (key, value) -> "k" + text(value).length() % n;
      case "append":
        String suffix = fn.get("s").textValue();
        return (key, value) -> text(key) + suffix;
      case "same":
        return (key, value) -> key;
      case "nullIf":
        String part = fn.get("s").textValue();
        return (key, value) -> text(value).contains(part) ? null : key;
      case "nullOrSizeKey":
        String none = fn.get("s").textValue();
        int mod = fn.get("n").intValue();
        return (key, value) -> text(value).contains(none) ? null : "k" + text(value).length() % mod;
      default:
        throw unknown("key function", fn);
    }
  }

  static KeyValueMapper<Object, Object, List<Object>> values(JsonNode fn) {
    switch (name(fn)) {
      case "twice":
        return (key, value) -> List.of(text(value) + "1", text(value) + "2");
      case "someOrNone":
        String part = fn.get("s").textValue();
        return (key, value) -> text(value).contains(part) ? List.of() : List.of(text(value) + "3");
      default:
        throw unknown("list function", fn);
    }
  }

  static KeyValueMapper<Object, Object, List<KeyValue<Object, Object>>> pairs(JsonNode fn) {
    KeyValueMapper<Object, Object, List<Object>> values = values(fn.get("values"));
    KeyValueMapper<Object, Object, Object> keys = key(fn.get("key"));
    return (key, value) -> {
      List<KeyValue<Object, Object>> pairs = new ArrayList<>();
      for (Object item : values.apply(key, value)) {
        pairs.add(KeyValue.pair(keys.apply(key, item), item));
      }
      return pairs;
    };
  }

  static ValueJoiner<Object, Object, Object> joiner() {
    return (left, right) -> text(left) + "-" + text(right);
  }

  static Initializer<Object> initial(JsonNode aggregation) {
    return name(aggregation).equals("sum") ? () -> 0L : () -> "";
  }

  static Aggregator<Object, Object, Object> adder(JsonNode aggregation) {
    switch (name(aggregation)) {
      case "concat":
        return (key, value, aggregate) -> text(aggregate) + "+" + brief(value);
      case "concatOrNull":
        String part = aggregation.get("s").textValue();
        return (key, value, aggregate) ->
            text(value).contains(part) ? null : text(aggregate) + "+" + brief(value);
      case "sum":
        return (key, value, aggregate) -> (Long) aggregate + text(value).length();
      default:
        throw unknown("aggregation", aggregation);
    }
  }

  static Aggregator<Object, Object, Object> subtractor(JsonNode aggregation) {
    switch (name(aggregation)) {
      case "concat":
      case "concatOrNull":
        return (key, value, aggregate) -> text(aggregate) + "-" + brief(value);
      case "sum":
        return (key, value, aggregate) -> (Long) aggregate - text(value).length();
      default:
        throw unknown("aggregation", aggregation);
    }
  }

  static Merger<Object, Object> merger(JsonNode aggregation) {
    return name(aggregation).equals("sum")
        ? (key, one, two) -> (Long) one + (Long) two
        : (key, one, two) -> text(one) + "|" + text(two);
  }

  static Reducer<Object> reducer() {
    return (aggregate, value) -> text(aggregate) + "&" + brief(value);
  }

  static Reducer<Object> unreducer() {
    return (aggregate, value) -> text(aggregate) + "!" + brief(value);
  }

  private static String name(JsonNode fn) {
    return fn.get("fn").textValue();
  }

  private static IllegalArgumentException unknown(String kind, JsonNode fn) {
    return new IllegalArgumentException("no " + kind + " " + fn);
  }
}
