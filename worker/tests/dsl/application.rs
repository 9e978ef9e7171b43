//! A topology in Rust as a StreamApp: what the operator plans of it without code, and what a program
//! with code takes.

use millrace_crds::plan::{Functions, describe, plan, plan_with};
use millrace_crds::{StreamApp, read};
use millrace_worker::dsl::{
    Application, Consumed, Grouped, Joined, Materialized, StreamsBuilder, TimeWindows, Topology,
};
use millrace_worker::testing::TestSuite;
use std::time::Duration;

/// Operators with closures of every kind of result.
fn topology(least: i64) -> Topology {
    let builder = StreamsBuilder::new();
    let customers = builder.table::<String, String>("customers");
    let orders = builder.stream::<String, i64>("orders");
    let large = orders.filter(move |_, amount| *amount >= least);
    large
        .join_table(
            &customers,
            |amount, name| format!("{name}: {amount}"),
            Joined::new(),
        )
        .flat_map_values(|text| vec![text.clone()])
        .to("large-orders");
    orders
        .group_by(|customer, _| customer[..1].to_owned(), Grouped::new())
        .windowed_by(TimeWindows::of_size_with_no_grace(Duration::from_secs(60)))
        .aggregate(|| 0.5, |_, amount, sum| sum + *amount as f64, "sums")
        .to_stream()
        .map(|key, sum| (key.start, sum.is_some()))
        .to("sums");
    builder.build()
}

fn shop() -> Application {
    Application::new("shop", topology(100))
}

/// What is left of a StreamApp that was written as YAML and read again.
fn through_yaml(app: &StreamApp) -> StreamApp {
    let text = serde_saphyr::to_string(app).unwrap();
    let read = read(&text, "exported.yaml").unwrap_or_else(|problems| panic!("{}", problems[0]));
    read.into_iter().next().unwrap()
}

#[test]
fn without_the_code_the_plan_is_the_same() {
    let shop = shop();
    let exported = through_yaml(&shop.stream_app());
    assert!(shop.differences(&exported).is_empty());
    let operator = plan(&exported).unwrap();
    let worker = shop.topology().plan_of(&exported).unwrap();
    assert_eq!(operator.hash, worker.hash);
    assert_eq!(describe(&operator), describe(&worker));
}

#[test]
fn a_program_without_the_code_refuses_to_run_it() {
    let problems = plan_with(&shop().stream_app(), &Functions::new()).unwrap_err();
    let said = problems[0].to_string();
    assert!(
        said.starts_with("spec.topology.functions.")
            && said.contains("this program has no function")
            && said.contains("spec.image"),
        "{said}"
    );
}

#[test]
fn a_function_of_other_types_is_not_taken_for_the_one_declared() {
    let shop = shop();
    let mut app = shop.stream_app();
    let declared = app.spec.topology.functions.get_mut("filter_1").unwrap();
    declared.parameters.pop();
    let problems = plan_with(&app, shop.topology().functions()).unwrap_err();
    assert_eq!(
        problems[0].to_string().lines().next().unwrap(),
        "spec.topology.functions.filter_1: `filter_1` is declared as `(string) -> bool`, and is \
         `(string, int) -> bool` in this program"
    );
}

#[test]
fn what_differs_between_stream_app_and_program_is_said_field_by_field() {
    let mut app = shop().stream_app();
    app.spec.topology.tables.clear();
    let stream = app.spec.topology.streams.get_mut("orders").unwrap();
    stream.topic = Some("orders-2".to_owned());
    let differences = shop().differences(&app);
    let said: Vec<String> = differences
        .iter()
        .map(|problem| format!("{}: {}", problem.path, problem.message))
        .collect();
    assert_eq!(
        said,
        [
            "spec.topology.streams.orders.topic: the StreamApp has `\"orders-2\"`, and this program \
             `\"orders\"`",
            "spec.topology.tables: the StreamApp has nothing here, and this program \
             `{\"customers\":{\"key\":\"string\",\"store\":\"customers\",\"topic\":\"cu…`",
        ]
    );
}

#[test]
fn stores_that_the_program_keeps_are_named_with_their_suppliers() {
    let builder = StreamsBuilder::new();
    let kept = |name: &str| Materialized::named(name).with_supplier("tree");
    let orders = builder.stream::<String, i64>("orders");
    orders.group_by_key(Grouped::new()).count(kept("counts"));
    let customers =
        builder.table_with::<String, i64>("customers", Consumed::new(), kept("customers"));
    let _positive = customers
        .filter(|_, n| *n > 0)
        .materialized(kept("positive"));
    let app = Application::new("kept", builder.build()).stream_app();
    let suppliers = &app.spec.topology.store_suppliers;
    let names: Vec<&str> = suppliers.keys().map(String::as_str).collect();
    assert_eq!(names, ["counts", "customers", "positive"]);
    let described = describe(&plan(&app).unwrap());
    assert!(
        described.contains("counts: string → long, kept by tree, changelog"),
        "{described}"
    );

    let windows = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
    let windowed = orders.group_by_key(Grouped::new()).windowed_by(windows);
    windowed.count(kept("per-minute"));
    let problems = builder.build().plan("kept").unwrap_err();
    let said = &problems[0].message;
    assert_eq!(
        said,
        "the store `per-minute` cannot be supplied: it keeps windows"
    );
}

#[test]
fn a_test_file_without_a_stream_app_is_about_the_programs_own() {
    let folder = std::env::temp_dir().join(format!("millrace-own-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("shop.test.yaml");
    let text = "cases:\n- name: small orders go nowhere\n  steps:\n  - pipe:\n      customers: \
                [{key: a, value: Ann}]\n      orders: [{key: a, value: 99}, {key: a, value: 100}]\n  \
                - expect:\n      large-orders: [{key: a, value: 'Ann: 100'}]\n";
    std::fs::write(&file, text).unwrap();
    let shop = shop();
    let results = TestSuite::open_for(&file, Some(&shop))
        .unwrap()
        .run()
        .unwrap();
    assert!(results[0].passed(), "{}", results[0].report(false));
    let said = TestSuite::open(&file).unwrap_err();
    assert!(said.contains("`app` is missing"), "{said}");
    std::fs::remove_dir_all(folder).unwrap();
}
