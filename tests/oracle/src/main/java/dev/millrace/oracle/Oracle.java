package dev.millrace.oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Runs cases through Kafka Streams. Reads one case per line (JSON) from standard input, and prints one
 * result per line: what each step wrote, and what the stores held in the end. One JVM serves thousands
 * of cases. The only argument is a directory for the state.
 */
public final class Oracle {
  private Oracle() {}

  public static void main(String[] args) throws IOException {
    Path state = Path.of(args[0]);
    ObjectMapper mapper = new ObjectMapper();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode test = mapper.readTree(line);
      out.println(mapper.writeValueAsString(new CaseRun(mapper, test, state).result()));
      out.flush();
    }
  }
}
