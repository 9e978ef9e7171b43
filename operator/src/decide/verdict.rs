//! Whether what the spec asks may run, and what stands against it.

use kube::ResourceExt;
use millrace_crds::plan::{Layout, Plan};
use millrace_crds::stream_app::Reason;

use super::topics::{self, Fit, Topics};
use super::topology::{Change, change};
use crate::observe::{KafkaView, Observed};
use crate::render;

/// What stands against the spec. The pods' template then stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Why.
    pub reason: Reason,
    /// What was found, and what to do.
    pub message: String,
}

/// The judgement.
#[derive(Clone, Debug)]
pub(super) struct Verdict<'a> {
    /// What stands against the spec, if anything does.
    pub block: Option<Block>,
    /// The spec's plan, if it is one.
    pub plan: Option<&'a Plan>,
    /// How it relates to what runs; of a plan alone.
    pub change: Change,
    /// The topics, if pods of the spec's plan can run on them.
    pub fit: Option<Fit>,
    /// Set where source topics have other counts than what runs, or match a pattern and do not fit.
    pub changed: Option<(Reason, String)>,
    /// The plan that pods run, or will.
    pub running: Option<&'a Plan>,
    /// Tasks of the running plan's subtopologies, where they are known.
    pub layout: Option<Layout>,
}

impl<'a> Verdict<'a> {
    /// Judges.
    pub(super) fn of(observed: &'a Observed) -> Self {
        let accepted = observed.accepted.as_ref();
        let running = accepted.and_then(|accepted| accepted.plan.as_ref());
        let mut verdict = Self {
            block: None,
            plan: observed.plan.as_ref().ok(),
            change: Change::Rolling,
            fit: None,
            changed: None,
            running,
            layout: None,
        };
        verdict.block = verdict.judge(observed).err();
        if let (None, Some(words)) = (&verdict.changed, &observed.held_back) {
            verdict.changed = Some((Reason::TopicHeldBack, words.clone()));
        }
        if let (None, Some(plan)) = (&verdict.block, verdict.plan) {
            verdict.running = Some(plan);
            verdict.layout = verdict.fit.as_ref().map(|fit| fit.layout.clone());
        } else if let Some(running) = running {
            verdict.layout = remembered(running, observed);
        }
        verdict
    }

    /// Finds the first thing that stands against the spec, in the order in which a person would mend
    /// them.
    fn judge(&mut self, observed: &'a Observed) -> Result<(), Block> {
        let block = |reason, message| Err(Block { reason, message });
        let plan = match &observed.plan {
            Ok(plan) => plan,
            Err(problems) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                return block(Reason::InvalidSpec, lines.join("\n"));
            }
        };
        if let Some(rival) = &observed.rival {
            let message = format!(
                "the StreamApp {rival} has the application id `{}` on this Kafka cluster already: two of \
                 them would be one consumer group. Give this one another spec.applicationId",
                plan.application_id
            );
            return block(Reason::DuplicateApplicationId, message);
        }
        let status = observed.app.status.as_ref();
        self.change = change(plan, observed.accepted.as_ref(), status);
        if let Change::Incompatible(difference) = &self.change {
            return block(Reason::IncompatibleTopology, difference.clone());
        }
        let given_up = render::given_up_stores(&observed.app);
        if let Change::GivesUp { stores, difference } = &self.change
            && !stores
                .iter()
                .all(|store| given_up.contains(&store.as_str()))
        {
            let message = format!(
                "{difference}\nIf that is meant: kubectl annotate streamapp {} {}={} --overwrite",
                observed.app.name_any(),
                render::GIVE_UP_ANNOTATION,
                stores.join(",")
            );
            return block(Reason::IncompatibleTopology, message);
        }
        let facts = match &observed.kafka {
            KafkaView::Facts(facts) => facts,
            KafkaView::Failed(reason, words) => return block(*reason, words.clone()),
            KafkaView::NotAsked => {
                return block(Reason::Unknown, "Kafka was not asked yet".to_owned());
            }
        };
        if let Some(nothing) = plan.unmatched() {
            let held_back = observed.held_back.as_deref().unwrap_or_default();
            let message = format!("{nothing}; the application starts when one does\n{held_back}");
            return block(Reason::SourceTopicMissing, message.trim_end().to_owned());
        }
        let factor = observed.app.spec.internal_topics.replication_factor;
        match topics::topics(plan, facts, factor, &known_tasks(observed)) {
            Topics::Unfit(reason, words) => block(reason, words),
            Topics::Fit(fit) => {
                self.changed.clone_from(&fit.changed);
                self.fit = Some(fit);
                Ok(())
            }
        }
    }

    /// Tasks of the application; `None` while that is not known.
    pub(super) fn tasks(&self) -> Option<usize> {
        self.layout.as_ref().map(|layout| layout.tasks().count())
    }
}

/// Tasks of each subtopology as the status remembers them.
fn known_tasks(observed: &Observed) -> Vec<i32> {
    let status = observed.app.status.as_ref();
    let parts = status.map(|status| status.subtopologies.iter());
    let counts = parts.into_iter().flatten().map(|part| part.tasks);
    counts.collect::<Option<Vec<i32>>>().unwrap_or_default()
}

/// The layout of what runs while the spec may not: by what the status remembers.
fn remembered(running: &Plan, observed: &Observed) -> Option<Layout> {
    let partitions = known_tasks(observed);
    (partitions.len() == running.subtopologies.len()).then(|| Layout {
        partitions,
        internal_partitions: Default::default(),
        source_partitions: Default::default(),
    })
}
