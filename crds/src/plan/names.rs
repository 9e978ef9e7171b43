//! [`Names`]: what each name of a topology stands for, and in which order to build.

use std::collections::BTreeMap;

use super::spec;
use crate::limits;
use crate::path::Path;
use crate::problem::{Problem, Problems};
use crate::suggest;
use crate::topology::{GlobalTable, Step, Stream, Table, Topology};

/// What a name stands for.
#[derive(Clone, Copy)]
pub(super) enum Declared<'a> {
    Stream(&'a Stream),
    Table(&'a Table),
    GlobalTable(&'a GlobalTable),
    /// A branch of a split, with the name of the stream that ends in it.
    Branch(&'a str),
}

impl Declared<'_> {
    fn what(&self) -> &'static str {
        match self {
            Self::Stream(_) => "a stream",
            Self::Table(_) => "a table",
            Self::GlobalTable(_) => "a global table",
            Self::Branch(_) => "a branch",
        }
    }
}

/// One mention of a name.
struct Reference<'a> {
    name: &'a str,
    path: Path,
}

/// All names of a topology.
pub(super) struct Names<'a> {
    by_name: BTreeMap<&'a str, (Declared<'a>, Path)>,
}

impl<'a> Names<'a> {
    /// Collects the names; ill-formed and duplicate ones, and references to names that do not exist,
    /// are problems.
    pub(super) fn collect(topology: &'a Topology, problems: &mut Problems) -> Self {
        let mut names = Self {
            by_name: BTreeMap::new(),
        };
        let path = spec().key("topology");
        for (name, table) in &topology.tables {
            names.declare(
                name,
                Declared::Table(table),
                path.key("tables").key(name),
                problems,
            );
        }
        for (name, table) in &topology.global_tables {
            let path = path.key("globalTables").key(name);
            names.declare(name, Declared::GlobalTable(table), path, problems);
        }
        for (name, stream) in &topology.streams {
            names.declare(
                name,
                Declared::Stream(stream),
                path.key("streams").key(name),
                problems,
            );
        }
        for (name, stream) in &topology.streams {
            names.branches(
                name,
                &stream.steps,
                &path.key("streams").key(name),
                problems,
            );
        }
        names.check_references(problems);
        names
    }

    /// What a name stands for, and where it is declared.
    pub(super) fn get(&self, name: &str) -> Option<&(Declared<'a>, Path)> {
        self.by_name.get(name)
    }

    /// Names of the branches of the stream, in order.
    pub(super) fn branches_of<'s>(&'s self, stream: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.by_name
            .iter()
            .filter_map(move |(name, (declared, _))| match declared {
                Declared::Branch(of) if *of == stream => Some(*name),
                _ => None,
            })
    }

    fn declare(
        &mut self,
        name: &'a str,
        declared: Declared<'a>,
        path: Path,
        problems: &mut Problems,
    ) {
        check_name("the name", name, &path, problems);
        if let Some((other, at)) = self.by_name.get(name) {
            let other = other.what();
            let problem = Problem::new(&path, format!("`{name}` is already {other}, at {at}"))
                .help("streams, tables, global tables and branches share one set of names: rename one");
            problems.add(problem);
            return;
        }
        self.by_name.insert(name, (declared, path));
    }

    fn branches(&mut self, of: &'a str, steps: &'a [Step], path: &Path, problems: &mut Problems) {
        for (index, step) in steps.iter().enumerate() {
            let path = path.key("steps").index(index).key(step.tag());
            if let Step::Process(process) | Step::ProcessValues(process) = step {
                for (name, index) in process.outputs.iter().zip(0..) {
                    let path = path.key("outputs").index(index);
                    self.declare(name, Declared::Branch(of), path, problems);
                }
            }
            let Step::Split(split) = step else { continue };
            for (branch, index) in split.branches.iter().zip(0..) {
                let path = path.key("branches").index(index).key("name");
                self.declare(&branch.name, Declared::Branch(of), path, problems);
            }
            if let Some(name) = &split.default {
                self.declare(name, Declared::Branch(of), path.key("default"), problems);
            }
        }
    }

    fn check_references(&self, problems: &mut Problems) {
        for (declared, path) in self.by_name.values() {
            for reference in references(*declared, path) {
                if self.by_name.contains_key(reference.name) {
                    continue;
                }
                let name = reference.name;
                let message = format!("there is no stream, table or branch named `{name}`");
                let help = suggest::help(name, self.by_name.keys().copied(), "declare it first");
                problems.add(Problem::new(&reference.path, message).help(help));
            }
        }
    }

    /// Global tables, by name.
    pub(super) fn global_tables(
        &self,
    ) -> impl Iterator<Item = (&'a str, &'a GlobalTable, &Path)> + '_ {
        self.by_name
            .iter()
            .filter_map(|(name, (declared, path))| match declared {
                Declared::GlobalTable(table) => Some((*name, *table, path)),
                _ => None,
            })
    }

    /// Names of streams and tables, each after all it is made from; tables before streams, then by
    /// name. Those on a cycle, which is a problem, are left out.
    pub(super) fn order(&self, problems: &mut Problems) -> Vec<&'a str> {
        let mut walk = Walk {
            names: self,
            marks: BTreeMap::new(),
            trail: Vec::new(),
            order: vec![],
        };
        let tables = self
            .by_name
            .iter()
            .filter(|(_, (d, _))| matches!(d, Declared::Table(_)));
        let streams = self
            .by_name
            .iter()
            .filter(|(_, (d, _))| matches!(d, Declared::Stream(_)));
        for (name, _) in tables.chain(streams) {
            walk.visit(name, problems);
        }
        walk.order
    }
}

/// The names a declaration mentions.
fn references<'a>(declared: Declared<'a>, path: &Path) -> Vec<Reference<'a>> {
    let mut found = Vec::new();
    let (from, merge, steps): (_, &[String], &'a [Step]) = match declared {
        Declared::Stream(s) => (&s.from, s.merge.as_deref().unwrap_or_default(), &s.steps),
        Declared::Table(t) => (&t.from, &[], &t.steps),
        Declared::GlobalTable(_) => return found,
        Declared::Branch(of) => {
            found.push(Reference {
                name: of,
                path: path.clone(),
            });
            return found;
        }
    };
    if let Some(name) = from {
        found.push(Reference {
            name,
            path: path.key("from"),
        });
    }
    for (index, name) in merge.iter().enumerate() {
        found.push(Reference {
            name,
            path: path.key("merge").index(index),
        });
    }
    for (index, step) in steps.iter().enumerate() {
        let path = path.key("steps").index(index).key(step.tag());
        let mut mention = |name: &'a str, path: Path| found.push(Reference { name, path });
        match step {
            Step::Join(join) | Step::LeftJoin(join) | Step::OuterJoin(join) => {
                let sides = [
                    ("table", &join.table),
                    ("stream", &join.stream),
                    ("globalTable", &join.global_table),
                ];
                for (field, side) in sides {
                    if let Some(name) = side {
                        mention(name, path.key(field));
                    }
                }
            }
            Step::Cogroup(cogroup) => {
                for (other, index) in cogroup.with.iter().zip(0..) {
                    mention(&other.stream, path.key("with").index(index).key("stream"));
                }
            }
            _ => {}
        }
    }
    found
}

/// A depth-first walk along references. Its depth is bounded by the number of names.
struct Walk<'n, 'a> {
    names: &'n Names<'a>,
    /// Names that were visited; true once all they are made from is in `order`.
    marks: BTreeMap<&'a str, bool>,
    trail: Vec<&'a str>,
    order: Vec<&'a str>,
}

impl<'a> Walk<'_, 'a> {
    /// Whether the name is free of cycles.
    fn visit(&mut self, name: &'a str, problems: &mut Problems) -> bool {
        if let Some(&done) = self.marks.get(name) {
            return done;
        }
        let names = self.names;
        let Some((declared, path)) = names.get(name) else {
            return true;
        };
        self.marks.insert(name, false);
        self.trail.push(name);
        let mut free = true;
        for reference in references(*declared, path) {
            if let Some(start) = self.trail.iter().position(|on| *on == reference.name) {
                problems.add(cycle(&self.trail[start..], &reference));
                free = false;
            } else {
                free &= self.visit(reference.name, problems);
            }
        }
        self.trail.pop();
        self.marks.insert(name, free);
        if free && matches!(declared, Declared::Stream(_) | Declared::Table(_)) {
            self.order.push(name);
        }
        free
    }
}

fn cycle(names: &[&str], closing: &Reference<'_>) -> Problem {
    let trail = names.join(" → ");
    let message = format!(
        "a cycle: {trail} → {} (each is made from the next)",
        closing.name
    );
    Problem::new(&closing.path, message)
        .help("break it, or send the records back through a topic of your own")
}

/// Notes a name that is empty, too long, or has characters other than letters, digits, `-` and `_`.
pub(super) fn check_name(what: &str, name: &str, path: &Path, problems: &mut Problems) -> bool {
    let fits = !name.is_empty() && name.chars().count() <= limits::NAME_LENGTH;
    if fits
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    {
        return true;
    }
    let shown: String = name.chars().take(40).collect();
    let message = format!(
        "{what} `{shown}` must be 1 to {} letters, digits, `-` or `_`",
        limits::NAME_LENGTH
    );
    problems.add(Problem::new(path, message));
    false
}
