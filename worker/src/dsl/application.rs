//! [`Application`]: a topology in Rust and the StreamApps that are of it.

use millrace_crds::plan::{Functions, Plan};
use millrace_crds::read::Document;
use millrace_crds::{MAX_PROBLEMS, Problem, StreamApp, topology};
use serde_json::Value;

use super::topology::Topology;

/// Characters of a value that a message shows.
const SHOWN_MAX: usize = 60;

/// A topology under a name: what a program of its own runs. The name is that of its StreamApp, and the
/// application id where nothing says another.
///
/// The operator plans a StreamApp without the closures, so it has the topology in it, with what the
/// closures take and give: [`Application::stream_app`] is one. The program checks that it is the
/// topology it has.
///
/// ```
/// use millrace_worker::dsl::{Application, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// builder.stream::<String, i64>("numbers").filter(|_, n| n % 2 == 0).to("even-numbers");
/// let even = Application::new("even", builder.build());
///
/// let app = even.stream_app();
/// assert_eq!(app.spec.topology.functions["filter_1"].to_string(), "`(string, int) -> bool`");
/// assert!(even.differences(&app).is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Application {
    name: String,
    topology: Topology,
}

impl Application {
    /// A topology under a name.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Application, StreamsBuilder};
    /// let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let shop = Application::new("shop", builder.build());
    /// assert!(shop.topology().plan("shop").is_ok());
    /// ```
    pub fn new(name: impl Into<String>, topology: Topology) -> Self {
        let name = name.into();
        Self { name, topology }
    }

    /// Its name.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Application, StreamsBuilder};
    /// let shop = Application::new("shop", StreamsBuilder::new().build());
    /// assert_eq!(shop.name(), "shop");
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its topology.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Application, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let shop = Application::new("shop", builder.build());
    /// assert!(shop.topology().data().streams.contains_key("orders"));
    /// ```
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The StreamApp of the topology, all else by default; it has no Kafka to go to.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Application, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let app = Application::new("shop", builder.build()).stream_app();
    /// assert_eq!(app.metadata.name.as_deref(), Some("shop"));
    /// assert_eq!(app.spec.topology.streams["orders"].topic.as_deref(), Some("orders"));
    /// ```
    pub fn stream_app(&self) -> StreamApp {
        let mut app = self.topology.stream_app(&self.name);
        // The same, and one line less for people.
        app.spec.application_id = None;
        app
    }

    /// Where the topology of a StreamApp is not this one; empty where it is.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Application, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let shop = Application::new("shop", builder.build());
    /// let mut app = shop.stream_app();
    /// app.spec.topology.streams.get_mut("orders").unwrap().topic = Some("orders-2".to_owned());
    /// assert_eq!(shop.differences(&app)[0].path, "spec.topology.streams.orders.topic");
    /// ```
    pub fn differences(&self, app: &StreamApp) -> Vec<Problem> {
        if app.spec.topology == *self.topology.data() {
            return Vec::new();
        }
        let value = |topology: &topology::Topology| serde_json::to_value(topology);
        let mut found = Vec::new();
        if let (Ok(app), Ok(own)) = (value(&app.spec.topology), value(self.topology.data())) {
            differences("spec.topology", Some(&app), Some(&own), &mut found);
        }
        found
    }
}

/// Plans a StreamApp from a file, for a program that may have a topology of its own: one whose topology
/// is empty gets that one, and one that declares functions must have it.
pub(crate) fn plan_document(
    document: &mut Document,
    own: Option<&Application>,
) -> Result<Plan, Vec<Problem>> {
    let Some(own) = own else {
        return document.plan_with(&Functions::new());
    };
    let given = &mut document.app.spec.topology;
    if *given == topology::Topology::default() {
        given.clone_from(own.topology.data());
    }
    if given.functions.is_empty() {
        return document.plan_with(own.topology.functions());
    }
    let mut differences = own.differences(&document.app);
    if differences.is_empty() {
        let planned = own.topology.plan_of(&document.app);
        return planned.map_err(|mut problems| {
            document.locate(&mut problems);
            problems
        });
    }
    document.locate(&mut differences);
    Err(differences)
}

/// Notes where two values differ: the StreamApp's, and the program's.
fn differences(path: &str, app: Option<&Value>, own: Option<&Value>, found: &mut Vec<Problem>) {
    if app == own || found.len() >= MAX_PROBLEMS {
        return;
    }
    match (app, own) {
        (Some(Value::Object(app)), Some(Value::Object(own))) => {
            let mut names: Vec<&String> = app.keys().chain(own.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let path = format!("{path}.{name}");
                differences(&path, app.get(name), own.get(name), found);
            }
        }
        (Some(Value::Array(app)), Some(Value::Array(own))) => {
            for index in 0..app.len().max(own.len()) {
                let path = format!("{path}[{index}]");
                differences(&path, app.get(index), own.get(index), found);
            }
        }
        _ => found.push(Problem {
            path: path.to_owned(),
            message: format!(
                "the StreamApp has {}, and this program {}",
                shown(app),
                shown(own)
            ),
            help: Some(
                "run the StreamApp by the image it was exported from (`spec.image`), or export it \
                 anew from this one"
                    .to_owned(),
            ),
            location: None,
        }),
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "nothing here".to_owned();
    };
    let text = value.to_string();
    if text.chars().count() <= SHOWN_MAX {
        return format!("`{text}`");
    }
    let start: String = text.chars().take(SHOWN_MAX).collect();
    format!("`{start}…`")
}
