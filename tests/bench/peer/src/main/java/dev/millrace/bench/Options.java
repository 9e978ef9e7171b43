package dev.millrace.bench;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BiConsumer;

/** Command line options of the form {@code --name value}. */
record Options(Map<String, String> values) {
  static Options parse(String[] args) {
    Map<String, String> values = new LinkedHashMap<>();
    for (int i = 0; i < args.length; i += 2) {
      if (!args[i].startsWith("--") || i + 1 == args.length) {
        throw new IllegalArgumentException("expected `--name value`, found `" + args[i] + "`");
      }
      values.put(args[i].substring(2), args[i + 1]);
    }
    return new Options(values);
  }

  String required(String name) {
    String value = values.get(name);
    if (value == null) {
      throw new IllegalArgumentException("option --" + name + " is missing");
    }
    return value;
  }

  String or(String name, String fallback) {
    return values.getOrDefault(name, fallback);
  }

  void forEachWithPrefix(String prefix, BiConsumer<String, String> action) {
    values.forEach(
        (name, value) -> {
          if (name.startsWith(prefix)) {
            action.accept(name.substring(prefix.length()), value);
          }
        });
  }
}
