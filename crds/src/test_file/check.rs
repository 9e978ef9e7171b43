//! What is wrong with a test file, beside the plan of its StreamApp.

use millrace_expr::Bump;

use super::{CaseStep, Data, Expected, Formats, Input, RecordFormat, TestDocument, step_path};
use crate::path::Path;
use crate::plan::SerdeKind;
use crate::problem::{Problem, Problems};
use crate::suggest;

impl TestDocument {
    /// Checks names, and the form of keys and values, against the topics and stores of the StreamApp.
    ///
    /// # Errors
    /// The problems, with line and column, in the order of the file.
    pub fn check(&self, formats: &Formats) -> Result<(), Vec<Problem>> {
        let mut check = Check {
            document: self,
            formats,
            problems: Problems::default(),
        };
        if self.file.cases.is_empty() {
            check.add(Problem::new(&Path::root().key("cases"), "there is no case"));
        }
        for (case, number) in self.file.cases.iter().zip(0..) {
            for (step, index) in case.steps.iter().zip(0..) {
                check.step(step, &step_path(number, index).key(step.name()));
            }
        }
        if check.problems.is_empty() {
            Ok(())
        } else {
            Err(check.problems.into_vec())
        }
    }
}

struct Check<'a> {
    document: &'a TestDocument,
    formats: &'a Formats,
    problems: Problems,
}

impl Check<'_> {
    fn add(&mut self, problem: Problem) {
        self.problems.add(self.document.located(problem));
    }

    fn step(&mut self, step: &CaseStep, path: &Path) {
        let formats = self.formats;
        match step {
            CaseStep::Pipe(topics) => {
                for (topic, records) in &topics.0 {
                    let path = path.key(topic);
                    let Some(&format) = formats.inputs.get(topic) else {
                        let message = format!("the StreamApp does not read a topic `{topic}`");
                        self.unknown(&path, message, topic, formats.inputs.keys());
                        continue;
                    };
                    for (record, index) in records.iter().zip(0..) {
                        self.input(record, format, &path.index(index));
                    }
                }
            }
            CaseStep::Advance(_) => {}
            CaseStep::Expect(topics) => {
                for (topic, records) in &topics.0 {
                    let path = path.key(topic);
                    let Some(format) = formats.output(topic) else {
                        let message = format!("the StreamApp does not write a topic `{topic}`");
                        self.unknown(&path, message, topic, formats.outputs.keys());
                        continue;
                    };
                    for (record, index) in records.iter().zip(0..) {
                        self.expected(record, format, &path.index(index));
                    }
                }
            }
            CaseStep::ExpectStores(stores) => {
                for (store, rows) in &stores.0 {
                    let path = path.key(store);
                    let Some(&format) = formats.stores.get(store) else {
                        let message = format!("the StreamApp has no store `{store}` to look into");
                        self.unknown(&path, message, store, formats.stores.keys());
                        continue;
                    };
                    for (row, index) in rows.iter().zip(0..) {
                        self.row(row, format, &path.index(index));
                    }
                }
            }
        }
    }

    fn unknown<'k>(
        &mut self,
        path: &Path,
        message: String,
        name: &str,
        known: impl Iterator<Item = &'k String>,
    ) {
        let help = suggest::help(name, known.map(String::as_str), "it has none");
        self.add(Problem::new(path, message).help(help));
    }

    fn input(&mut self, record: &Input, format: RecordFormat, path: &Path) {
        self.data(record.key.as_ref(), format.key, &path.key("key"));
        self.data(record.value.as_ref(), format.value, &path.key("value"));
        match (&record.value, &record.raw_value) {
            (Some(_), Some(_)) => {
                let problem = Problem::new(&path.key("rawValue"), "there is a `value` too");
                self.add(problem.help("keep one of them"));
            }
            (None, None) => {
                let problem = Problem::new(path, "`value` is missing");
                self.add(problem.help("write `value: null` for a record that deletes its key"));
            }
            _ => {}
        }
    }

    fn expected(&mut self, record: &Expected, format: RecordFormat, path: &Path) {
        self.data(record.key.as_ref(), format.key, &path.key("key"));
        self.data(record.value.as_ref(), format.value, &path.key("value"));
        if record.window.is_some() && format.windowed.is_none() {
            let problem = Problem::new(&path.key("window"), "the keys here have no window");
            self.add(problem.help("leave it out"));
        }
    }

    fn row(&mut self, row: &Expected, format: RecordFormat, path: &Path) {
        self.expected(row, format, path);
        if row.key.is_none() {
            let problem = Problem::new(path, "`key` is missing: a row of a store is known by it");
            self.add(problem);
        }
        if format.windowed.is_some() && row.window.is_none() {
            let problem =
                Problem::new(path, "`window` is missing: the keys of this store have one");
            self.add(problem.help("write `window: {start: 0s}`"));
        }
        if !row.headers.0.is_empty() {
            let problem = Problem::new(&path.key("headers"), "rows of a store have no headers");
            self.add(problem.help("leave them out"));
        }
    }

    fn data(&mut self, data: Option<&Data>, kind: SerdeKind, path: &Path) {
        let arena = Bump::new();
        let value = data.map(|data| data.to_value(kind, self.document.text(), &arena));
        if let Some(Err(refusal)) = value {
            self.add(Problem::new(path, refusal));
        }
    }
}
