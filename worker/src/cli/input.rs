//! StreamApps from files and folders, with the command line's values put in.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use millrace_crds::plan::Plan;
use millrace_crds::read::{Document, read_documents};
use millrace_crds::stream_app::Threads;
use millrace_crds::topology::SerdeName;
use millrace_crds::{Problem, StreamApp};

use super::Image;

/// Values that take the place of the StreamApp's own; named as Kafka Streams names them.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Overrides {
    /// application.id: consumer group and prefix of internal topics.
    #[arg(long, env = "APPLICATION_ID", value_name = "ID")]
    pub application_id: Option<String>,
    /// bootstrap.servers: Kafka's addresses, `host:port`, several separated by commas.
    #[arg(long, env = "BOOTSTRAP_SERVERS", value_name = "ADDRESSES")]
    pub bootstrap_servers: Option<String>,
    /// default.key.serde: format of keys where none is named.
    #[arg(long, env = "DEFAULT_KEY_SERDE", value_enum, value_name = "SERDE")]
    pub default_key_serde: Option<SerdeArg>,
    /// default.value.serde: format of values where none is named.
    #[arg(long, env = "DEFAULT_VALUE_SERDE", value_enum, value_name = "SERDE")]
    pub default_value_serde: Option<SerdeArg>,
    /// num.stream.threads: stream threads of this process.
    #[arg(long, env = "NUM_STREAM_THREADS", value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=100))]
    pub num_stream_threads: Option<i32>,
}

/// A serde by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[allow(missing_docs)]
pub(super) enum SerdeArg {
    Bytes,
    String,
    Json,
    Int,
    Long,
    Double,
    Decimal,
}

impl From<SerdeArg> for SerdeName {
    fn from(serde: SerdeArg) -> Self {
        match serde {
            SerdeArg::Bytes => Self::Bytes,
            SerdeArg::String => Self::String,
            SerdeArg::Json => Self::Json,
            SerdeArg::Int => Self::Int,
            SerdeArg::Long => Self::Long,
            SerdeArg::Double => Self::Double,
            SerdeArg::Decimal => Self::Decimal,
        }
    }
}

impl Overrides {
    pub(super) fn apply(&self, app: &mut StreamApp) {
        let spec = &mut app.spec;
        if let Some(id) = &self.application_id {
            spec.application_id = Some(id.clone());
        }
        if let Some(servers) = &self.bootstrap_servers {
            spec.kafka.bootstrap_servers.clone_from(servers);
        }
        if let Some(serde) = self.default_key_serde {
            spec.defaults.key = serde.into();
        }
        if let Some(serde) = self.default_value_serde {
            spec.defaults.value = serde.into();
        }
        if let Some(threads) = self.num_stream_threads {
            spec.threads = Threads::Count(threads);
        }
    }
}

/// How the names of test files end: beside StreamApps, where they are none.
pub(super) const TEST_FILE_END: &str = ".test.yaml";
/// Deepest folder that test files are looked for in, below the one named.
const DEPTH_MAX: usize = 16;

/// Files a command reads: those named, and all `.yaml` and `.yml` files of a named folder, by name;
/// test files are left out.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let is_yaml = |file: &Path| {
            file.extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml")
        };
        let mut found = entries(path)?;
        found.retain(|file| is_yaml(file) && !ends(file, TEST_FILE_END));
        if found.is_empty() {
            return Err(format!("folder {} has no .yaml files", path.display()));
        }
        files.append(&mut found);
    }
    Ok(files)
}

/// Files a command reads: those named, and all below a named folder whose names end so.
pub(super) fn files_ending(paths: &[PathBuf], end: &str) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        below(path, end, DEPTH_MAX, &mut files)?;
        if files.len() == before {
            return Err(format!("no *{end} below folder {}", path.display()));
        }
    }
    Ok(files)
}

fn below(folder: &Path, end: &str, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    for path in entries(folder)? {
        if ends(&path, end) {
            files.push(path);
        } else if depth > 0 && path.is_dir() && !path.is_symlink() {
            below(&path, end, depth - 1, files)?;
        }
    }
    Ok(())
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("could not read folder {}: {error}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.sort();
    Ok(found)
}

fn ends(path: &Path, end: &str) -> bool {
    let name = path.file_name();
    name.is_some_and(|name| name.to_string_lossy().ends_with(end))
}

/// A StreamApp and its plan.
pub(super) struct Planned {
    /// The StreamApp, overrides put in.
    pub app: StreamApp,
    /// Its plan.
    pub plan: Plan,
}

/// Reads and plans all StreamApps of a file; the error has all problems, a paragraph each.
pub(super) fn load(
    file: &Path,
    overrides: &Overrides,
    image: &Image,
) -> Result<Vec<Planned>, String> {
    let mut planned = Vec::new();
    let mut failures = Vec::new();
    for mut document in read(file)? {
        overrides.apply(&mut document.app);
        match image.plan(document) {
            Ok(app) => planned.push(app),
            Err(problems) => failures.push(problems),
        }
    }
    if failures.is_empty() {
        Ok(planned)
    } else {
        Err(failures.join("\n"))
    }
}

/// Reads all StreamApps of a file; the error has all problems, a paragraph each.
pub(super) fn read(file: &Path) -> Result<Vec<Document>, String> {
    let name = file.display().to_string();
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("could not read {name}: {error}"))?;
    read_documents(&text, &name).map_err(|problems| paragraphs(&problems))
}

/// Problems, a paragraph each.
pub(super) fn paragraphs(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
