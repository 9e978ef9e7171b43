//! Goal: whoever writes a test file wrongly is told where, and what to write. Method: wrong files
//! beside the whole message; values beside what they are read as.

use millrace_crds::plan::SerdeKind;
use millrace_crds::read::read_documents;
use millrace_crds::test_file::{CaseStep, Formats, TestDocument, test_file_schema};
use millrace_crds::{Problem, read_test_file};
use millrace_expr::Bump;

const APP: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: app}
spec:
  kafka: {bootstrapServers: 'none:9092'}
  defaults: {key: string, value: json}
  topology:
    globalTables:
      rates: {topic: rates}
    tables:
      accounts: {topic: accounts, value: decimal}
      counts: {from: orders, steps: [groupByKey: {}, windowedBy: {tumbling: {size: 1m}}, count: {name: counts}]}
    streams:
      orders: {topic: orders}
      joined:
        from: orders
        steps: [leftJoin: {table: accounts, value: '[left, right]'}]
        to: {topic: joined}
";

fn checked(text: &str) -> Result<TestDocument, Vec<Problem>> {
    let app = read_documents(APP, "app.yaml").unwrap().remove(0);
    let plan = app
        .plan()
        .unwrap_or_else(|problems| panic!("{}", problems[0]));
    let document = read_test_file(text, "a.test.yaml")?;
    document.check(&Formats::of(&plan, "app-dead-letter"))?;
    Ok(document)
}

fn wrong(text: &str) -> String {
    let problems = checked(text).unwrap_err();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The problems of a step, the only one of its file.
fn wrong_step(step: &str) -> String {
    let text = format!("app: app.yaml\ncases:\n- name: a case\n  steps:\n  - {step}\n");
    wrong(&text).replace("a.test.yaml:5:", "")
}

#[test]
fn fields_that_do_not_exist_are_refused_with_line_and_path() {
    assert_eq!(
        wrong("app: app.yaml\ncases:\n- name: a\n  step: []\n"),
        "a.test.yaml:4:3: cases[0]: unknown field `step`; expected one of `name`, `steps`\n  \
         help: did you mean `steps`?"
    );
    let message = wrong_step("pipe: {orders: [{key: a, valeu: 1}]}");
    assert!(
        message.contains("cases[0].steps[0].pipe.orders[0]: unknown field `valeu`"),
        "{message}"
    );
    assert!(message.contains("did you mean `value`?"), "{message}");
    let message = wrong_step("pip: {}");
    assert!(message.contains("unknown value `pip`"), "{message}");
    assert!(message.contains("did you mean `pipe`?"), "{message}");
    assert_eq!(
        wrong("app: app.yaml\n"),
        "a.test.yaml:1:1: `cases` is missing, and required here"
    );
    assert!(wrong("").contains("0 documents where one was expected"));
    assert!(wrong("app: app.yaml\ncases: []\n").contains("cases: there is no case"));
}

#[test]
fn topics_and_stores_that_do_not_exist_are_refused_with_those_that_do() {
    assert_eq!(
        wrong_step("pipe: {order: []}"),
        "12: cases[0].steps[0].pipe.order: the StreamApp does not read a topic `order`\n  help: did \
         you mean `orders`?"
    );
    assert_eq!(
        wrong_step("pipe: {nothing: []}"),
        "12: cases[0].steps[0].pipe.nothing: the StreamApp does not read a topic `nothing`\n  help: \
         known here: `accounts`, `orders`, `rates`"
    );
    assert_eq!(
        wrong_step("expect: {orders: []}"),
        "14: cases[0].steps[0].expect.orders: the StreamApp does not write a topic `orders`\n  help: \
         known here: `app-dead-letter`, `joined`"
    );
    assert_eq!(
        wrong_step("expectStores: {none: []}"),
        "20: cases[0].steps[0].expectStores.none: the StreamApp has no store `none` to look into\n  \
         help: known here: `accounts`, `counts`"
    );
}

#[test]
fn values_of_another_form_than_their_format_are_refused() {
    for (step, message) in [
        (
            "pipe: {orders: [{key: 1, value: null}]}",
            "pipe.orders[0].key: expected a text: put it in quotes, found the number 1",
        ),
        (
            "pipe: {accounts: [{key: a, value: twelve}]}",
            "value: expected a number of at most 28 digits, found the text `twelve`",
        ),
        (
            "pipe: {orders: [{key: a, value: 0.12345678901234567890123456789}]}",
            "value: expected a number of at most 28 digits, such as 12.30; found \
             `0.12345678901234567890123456789`",
        ),
        (
            "pipe: {orders: [{key: a}]}",
            "`value` is missing\n  help: write `value: null` for a record that deletes its key",
        ),
        (
            "pipe: {orders: [{key: a, value: 1, rawValue: x}]}",
            "rawValue: there is a `value` too\n  help: keep one of them",
        ),
        (
            "expectStores: {counts: [{key: a, value: 1}]}",
            "`window` is missing: the keys of this store have one",
        ),
        (
            "expectStores: {accounts: [{value: 1}]}",
            "`key` is missing: a row of a store is known by it",
        ),
        (
            "expect: {joined: [{window: {start: 0s}}]}",
            "window: the keys here have no window",
        ),
        (
            "advance: 10",
            "expected a duration such as `10s`, found `10`: a number without a unit",
        ),
        (
            "pipe: {orders: [{value: 1, at: soon}]}",
            "expected a time: a duration such as `500ms`, `10s`, `1h30m`, or ms since the epoch; found \
             `soon`",
        ),
    ] {
        let found = wrong_step(step);
        assert!(found.contains(message), "{step}\n{found}");
    }
}

#[test]
fn numbers_are_read_exactly_as_written() {
    let text = "# Umlauts before: äöü\n---\napp: app.yaml\ncases:\n- name: numbers\n  steps:\n  - pipe:\n      \
                orders:\n      - value: [12.30, 0.1, 1e3, -7, 123456789012345678901234567.8, '1.0', 0x10, \
                true, ~, no, y]\n      - {key: ä, value: {b: 100.10, n: 1.50}}\n      accounts:\n      - {key: \
                a, value: 99999999999999999999.99}\n";
    let document = checked(text).unwrap_or_else(|problems| panic!("{}", problems[0]));
    let CaseStep::Pipe(topics) = &document.file.cases[0].steps[0] else {
        panic!("not a pipe");
    };
    let arena = Bump::new();
    let show = |topic: usize, record: usize, kind| {
        let data = topics.0[topic].1[record].value.as_ref().unwrap();
        data.to_value(kind, document.text(), &arena)
            .unwrap()
            .to_string()
    };
    assert_eq!(
        show(0, 0, SerdeKind::Json),
        "[12.30, 0.1, 1000, -7, 123456789012345678901234567.8, \"1.0\", 16, true, null, \"no\", \"y\"]"
    );
    assert_eq!(show(0, 1, SerdeKind::Json), "{\"b\": 100.10, \"n\": 1.50}");
    assert_eq!(show(1, 0, SerdeKind::Decimal), "99999999999999999999.99");
}

#[test]
fn bytes_are_written_as_text_or_in_hexadecimal() {
    let text = "app: a\ncases:\n- name: bytes\n  steps:\n  - pipe: {t: [{key: {hex: 0010}, value: {hex: 00ff}}, \
                {value: {hex: 0f0}}]}\n";
    let document = read_test_file(text, "a.test.yaml").unwrap();
    let CaseStep::Pipe(topics) = &document.file.cases[0].steps[0] else {
        panic!("not a pipe");
    };
    let records = &topics.0[0].1;
    let arena = Bump::new();
    let value = |data: &Option<millrace_crds::test_file::Data>| {
        let read = data
            .as_ref()
            .unwrap()
            .to_value(SerdeKind::Bytes, document.text(), &arena);
        read.map(|value| value.to_string())
    };
    assert_eq!(value(&records[0].key).unwrap(), r#"b"\x00\x10""#);
    assert_eq!(value(&records[0].value).unwrap(), r#"b"\x00\xff""#);
    assert!(
        value(&records[1].value)
            .unwrap_err()
            .contains("`{hex: 00ff}`")
    );
}

#[test]
fn the_schema_of_test_files_names_every_step() {
    let schema = test_file_schema();
    let steps = schema["definitions"]["CaseStep"]["oneOf"]
        .as_array()
        .unwrap();
    let mut names: Vec<&str> = steps
        .iter()
        .map(|step| step["required"][0].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["advance", "expect", "expectStores", "pipe"]);
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn the_example_of_the_guide_is_a_good_test_file() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guides/testing.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, example) = guide.split_once("```yaml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let app = APP.replace("to: {topic: joined}", "to: {topic: large-orders}");
    let app = read_documents(&app, "large-orders.yaml").unwrap().remove(0);
    let document = read_test_file(example, "testing.md").unwrap();
    let formats = Formats::of(&app.plan().unwrap(), "dead-letters");
    let checked = document.check(&formats);
    checked.unwrap_or_else(|problems| panic!("{}", problems[0]));
}
