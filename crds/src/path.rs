//! [`Path`]: where in a StreamApp something stands.

use std::fmt;

/// A field path as people write it: `spec.topology.streams.evaluated.steps[0].leftJoin.value`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(String);

impl Path {
    /// The path of a whole document.
    pub(crate) fn root() -> Self {
        Self::default()
    }

    /// A path from its text.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// A field or map entry. Keys that would not read as one word are quoted: `streams["a b"]`.
    pub(crate) fn key(&self, name: &str) -> Self {
        let plain = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        Self(match (plain, self.0.is_empty()) {
            (true, true) => name.to_owned(),
            (true, false) => format!("{}.{name}", self.0),
            (false, _) => format!("{}[{name:?}]", self.0),
        })
    }

    /// An element of a list.
    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of the parent; `None` for the root.
    pub(crate) fn parent(&self) -> Option<Self> {
        let text = &self.0;
        let quoted = text.strip_suffix("\"]").and_then(|t| t.rfind("[\""));
        let cut = quoted.or_else(|| text.rfind(['.', '[']));
        match cut {
            Some(at) => Some(Self(text[..at].to_owned())),
            None if text.is_empty() => None,
            None => Some(Self::root()),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it_and_leads_back_to_its_parents() {
        let path = Path::root()
            .key("spec")
            .key("streams")
            .key("a b")
            .key("steps")
            .index(3);
        assert_eq!(path.as_str(), "spec.streams[\"a b\"].steps[3]");
        let mut parents = Vec::new();
        let mut next = path.parent();
        while let Some(path) = next {
            parents.push(path.to_string());
            next = path.parent();
        }
        let expected = [
            "spec.streams[\"a b\"].steps",
            "spec.streams[\"a b\"]",
            "spec.streams",
            "spec",
            "",
        ];
        assert_eq!(parents, expected);
    }
}
