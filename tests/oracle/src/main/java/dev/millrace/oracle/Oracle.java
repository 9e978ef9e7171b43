package dev.millrace.oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Runs cases through Kafka Streams. Reads one case per line (JSON) from standard input, and prints one
 * result per line, in the same order: what each step wrote, and what the stores held in the end. One JVM
 * serves thousands of cases, two at a time. The only argument is a directory for the state.
 */
public final class Oracle {
  /** Cases that are run at the same time; the other side of the comparison works besides. */
  private static final int AT_A_TIME = 2;
  /** Cases that have been read and whose answers have not been printed. */
  private static final int WAITING = 16;
  private static final String END = "";

  private final ObjectMapper mapper = new ObjectMapper();
  private final Path state;

  private Oracle(Path state) {
    this.state = state;
  }

  public static void main(String[] args) throws Exception {
    Oracle oracle = new Oracle(Path.of(args[0]));
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    ExecutorService threads = Executors.newFixedThreadPool(AT_A_TIME);
    BlockingQueue<Future<String>> answers = new ArrayBlockingQueue<>(WAITING);
    Thread printer = new Thread(() -> print(answers, out));
    printer.start();
    try {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String test = line;
        answers.put(threads.submit(() -> oracle.answer(test)));
      }
    } finally {
      answers.put(CompletableFuture.completedFuture(END));
      printer.join();
      threads.shutdown();
    }
  }

  /** Prints answers in the order of their cases. Whoever asked sees the end where there is none. */
  private static void print(BlockingQueue<Future<String>> answers, PrintStream out) {
    try {
      for (String answer = answers.take().get(); !answer.equals(END); answer = answers.take().get()) {
        out.println(answer);
        out.flush();
      }
    } catch (ExecutionException | InterruptedException error) {
      error.printStackTrace();
      System.exit(1);
    }
  }

  private String answer(String line) throws IOException {
    JsonNode test = mapper.readTree(line);
    // Cases have stores of the same names: each thread keeps them for itself.
    Path own = state.resolve(Thread.currentThread().getName());
    return mapper.writeValueAsString(new CaseRun(mapper, test, own).result());
  }
}
