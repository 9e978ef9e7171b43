//! [`Image`]: what a worker's image has of its own, and StreamApps beside it.

use millrace_crds::read::Document;
use millrace_worker::api::Processors;
use millrace_worker::dsl::{Application, plan_document};

use super::input::{Overrides, Planned, paragraphs};

/// What a worker's image has of its own.
#[derive(Default)]
pub(crate) struct Image {
    /// Its processors.
    pub(crate) processors: Processors,
    /// The topology that it is for.
    pub(crate) own: Option<Application>,
}

impl Image {
    /// The StreamApp of the image's own topology.
    pub(super) fn own(&self, overrides: &Overrides) -> Result<Planned, String> {
        let Some(own) = &self.own else {
            return Err(
                "no StreamApp: name its file (this program has no topology of its own)".to_owned(),
            );
        };
        let mut app = own.stream_app();
        overrides.apply(&mut app);
        let planned = own.topology().plan_of(&app);
        let plan = planned.map_err(|problems| paragraphs(&problems))?;
        self.checked(Planned { app, plan })
    }

    /// Plans a StreamApp, for running by this image; the error has all problems, a paragraph each.
    pub(super) fn plan(&self, mut document: Document) -> Result<Planned, String> {
        let planned = plan_document(&mut document, self.own.as_ref());
        let plan = planned.map_err(|problems| paragraphs(&problems))?;
        let app = document.app;
        self.checked(Planned { app, plan })
    }

    /// Refuses a StreamApp whose processors are not all registered.
    fn checked(&self, planned: Planned) -> Result<Planned, String> {
        let id = &planned.plan.application_id;
        match self.processors.check(&planned.plan) {
            Ok(()) => Ok(planned),
            Err(missing) => Err(format!("error: StreamApp {id}: {missing}")),
        }
    }

    /// Refuses a StreamApp that is of another topology than the image's own: whoever runs that image
    /// means what is in it.
    pub(super) fn check_is_own(&self, planned: &Planned) -> Result<(), String> {
        let differences = match &self.own {
            Some(own) => own.differences(&planned.app),
            None => Vec::new(),
        };
        if differences.is_empty() {
            return Ok(());
        }
        let id = &planned.plan.application_id;
        let differences = paragraphs(&differences);
        Err(format!(
            "error: StreamApp {id} has another topology than this program:\n{differences}"
        ))
    }
}
