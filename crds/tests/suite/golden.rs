//! Golden files: expected output beside its input. `MILLRACE_BLESS=1` writes them anew.

use std::path::{Path, PathBuf};

/// The files of a folder of this crate's tests with an extension, sorted.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|own| own == extension))
        .collect();
    files.sort();
    files
}

/// Compares with a golden file; returns what differs.
pub(crate) fn compare(path: &Path, actual: &str) -> Result<(), String> {
    if std::env::var_os("MILLRACE_BLESS").is_some() {
        std::fs::write(path, actual).unwrap();
        return Ok(());
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        return Ok(());
    }
    let file = path.file_name().unwrap().to_string_lossy();
    Err(format!(
        "--- {file}: expected\n{expected}\n--- {file}: found\n{actual}\n"
    ))
}
