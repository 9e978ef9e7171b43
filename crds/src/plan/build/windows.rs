//! `windowedBy`, and durations.

use super::{At, Builder};
use crate::duration::{duration, parse_duration};
use crate::limits;
use crate::path::Path;
use crate::plan::flow::{Flow, FlowKind, Windowed, Windowing};
use crate::plan::graph::{Emit, StoreKind, WindowedKey, Windows};
use crate::topology::{EmitName, WindowedBy};

impl Builder<'_, '_> {
    /// Milliseconds of a duration of at least so many; `None`, with a problem, otherwise.
    pub(super) fn duration(&mut self, path: &Path, text: &str, least: i64) -> Option<i64> {
        let shown: String = text.chars().take(limits::DURATION_LENGTH).collect();
        let help = "write whole numbers with units `d`, `h`, `m`, `s`, `ms`, longest first, such as \
                    `1h30m`";
        match parse_duration(text) {
            None => self.refuse(path, format!("`{shown}` is not a duration"), help),
            Some(ms) if ms < least || ms > limits::DURATION_MS => {
                let (least, most) = (duration(least), duration(limits::DURATION_MS));
                let message = format!("`{shown}` is out of bounds: {least} to {most}");
                self.refuse(path, message, help)
            }
            Some(ms) => Some(ms),
        }
    }

    /// As [`Builder::duration`], of a field that may be left out. `None` where it is refused.
    pub(super) fn duration_or(
        &mut self,
        path: &Path,
        text: Option<&str>,
        default: i64,
    ) -> Option<i64> {
        match text {
            None => Some(default),
            Some(text) => self.duration(path, text, 0),
        }
    }

    /// Divides groups by time.
    pub(super) fn windowed_by(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        step: &WindowedBy,
    ) -> Option<Flow> {
        let FlowKind::Grouped(mut grouping) = flow.kind else {
            return None;
        };
        let (windows, least) = self.windows(at, step)?;
        let grace_ms = self.duration_or(&at.path.key("grace"), step.grace.as_deref(), 0)?;
        let least = least + grace_ms;
        let path = at.path.key("retention");
        let retention_ms = self.duration_or(&path, step.retention.as_deref(), least)?;
        if retention_ms < least {
            let message = format!(
                "windows change for {} and are kept for {} only",
                duration(least),
                duration(retention_ms)
            );
            return self.refuse(
                &path,
                message,
                "keep them at least as long, or leave it out",
            );
        }
        grouping.windowed = Some(Windowing {
            path: at.path.clone(),
            windows,
            grace_ms,
            retention_ms,
            emit: match step.emit {
                EmitName::OnUpdate => Emit::OnUpdate,
                EmitName::OnWindowClose => Emit::OnWindowClose,
            },
        });
        Some(Flow {
            kind: FlowKind::Grouped(grouping),
            ..flow
        })
    }

    /// The windows, and how long one changes apart from the grace.
    fn windows(&mut self, at: &At<'_>, step: &WindowedBy) -> Option<(Windows, i64)> {
        let kinds = [
            ("tumbling", step.tumbling.is_some()),
            ("hopping", step.hopping.is_some()),
            ("sliding", step.sliding.is_some()),
            ("session", step.session.is_some()),
        ];
        self.one_of(&at.path, "which windows", &kinds)?;
        if let Some(tumbling) = &step.tumbling {
            let path = at.path.key("tumbling").key("size");
            let size_ms = self.duration(&path, &tumbling.size, 1)?;
            let windows = Windows::Time {
                size_ms,
                advance_ms: size_ms,
            };
            return Some((windows, size_ms));
        }
        if let Some(hopping) = &step.hopping {
            let path = at.path.key("hopping");
            let size_ms = self.duration(&path.key("size"), &hopping.size, 1)?;
            let advance_ms = self.duration(&path.key("advance"), &hopping.advance, 1)?;
            if advance_ms > size_ms {
                let message = "windows further apart than they are long leave records out";
                let help =
                    "let `advance` be at most `size`; filter records by time in a step before";
                return self.refuse(&path.key("advance"), message, help);
            }
            let windows = Windows::Time {
                size_ms,
                advance_ms,
            };
            return Some((windows, size_ms));
        }
        if let Some(sliding) = &step.sliding {
            let path = at.path.key("sliding").key("difference");
            let difference_ms = self.duration(&path, &sliding.difference, 0)?;
            let windows = Windows::Sliding { difference_ms };
            return Some((windows, 2 * difference_ms));
        }
        let session = step.session.as_ref()?;
        let path = at.path.key("session").key("gap");
        let gap_ms = self.duration(&path, &session.gap, 1)?;
        Some((Windows::Session { gap_ms }, gap_ms))
    }
}

impl Windowing {
    /// What the store of an aggregation over these windows holds.
    pub(super) fn store_kind(&self) -> StoreKind {
        let retention_ms = self.retention_ms;
        match self.windows {
            Windows::Session { .. } => StoreKind::Session { retention_ms },
            Windows::Time { size_ms, .. }
            | Windows::Sliding {
                difference_ms: size_ms,
            } => StoreKind::Window {
                size_ms,
                retention_ms,
                retain_duplicates: false,
            },
        }
    }

    /// How the keys of its results are written.
    pub(super) fn windowed(&self) -> Windowed {
        let key = match self.windows {
            Windows::Session { .. } => WindowedKey::Session,
            Windows::Time { size_ms, .. }
            | Windows::Sliding {
                difference_ms: size_ms,
            } => WindowedKey::Time { size_ms },
        };
        // A session takes records until the gap after its end has passed too
        // (SessionWindowedKStreamImpl).
        let gap_ms = match self.windows {
            Windows::Session { gap_ms } => gap_ms,
            Windows::Time { .. } | Windows::Sliding { .. } => 0,
        };
        Windowed {
            key,
            grace_ms: self.grace_ms.saturating_add(gap_ms),
        }
    }
}
