//! Which call fails how: by chance from a seed, or by number.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_kafka::{Error, ErrorKind, Result};

use super::Firing;

/// A kind of call that faults can befall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// A group member's poll.
    Poll,
    /// A reader's poll.
    ReaderPoll,
    /// Fetching committed offsets.
    Committed,
    /// Committing offsets outside a transaction.
    CommitOffsets,
    /// `init_transactions`.
    InitTransactions,
    /// Handing one record over.
    Send,
    /// Waiting for acknowledgements.
    Flush,
    /// Adding offsets to the transaction.
    SendOffsets,
    /// Committing the transaction.
    Commit,
    /// Aborting the transaction.
    Abort,
    /// Any call of the admin client.
    Admin,
}

impl Call {
    /// The call as an error names it.
    pub(super) fn operation(self) -> &'static str {
        match self {
            Self::Poll | Self::ReaderPoll => "poll",
            Self::Committed => "fetch committed offsets",
            Self::CommitOffsets => "commit offsets",
            Self::InitTransactions => "init transactions",
            Self::Send => "produce",
            Self::Flush => "flush",
            Self::SendOffsets => "add offsets to the transaction",
            Self::Commit => "commit the transaction",
            Self::Abort => "abort the transaction",
            Self::Admin => "ask the log",
        }
    }
}

/// What befalls a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The call is carried out and its answer lost: `Unknown`. For [`Call::Commit`] and
    /// [`Call::CommitOffsets`].
    ReplyLost,
    /// The call never arrives, and nobody knows: `Unknown`. For [`Call::Commit`] and
    /// [`Call::CommitOffsets`].
    RequestLost,
    /// Not carried out, may be made again: `Unavailable`. For all calls but [`Call::Send`] and
    /// [`Call::Commit`].
    Unavailable,
    /// Not carried out, the transaction must be aborted: `Abort`. For the calls within a transaction.
    Abort,
    /// Somebody else has taken over, for good: `Fenced`. For calls of producers (but
    /// [`Call::Abort`]), [`Call::Poll`] and [`Call::CommitOffsets`].
    Fenced,
    /// Time passes before the call is carried out. For all calls.
    Delay(Duration),
    /// The group has given the member's tasks to others. For [`Call::Poll`], when it has tasks.
    SessionLoss,
}

impl Fault {
    fn can_befall(self, call: Call) -> bool {
        let in_transaction = matches!(
            call,
            Call::Send | Call::Flush | Call::SendOffsets | Call::Commit
        );
        match self {
            Self::ReplyLost | Self::RequestLost => {
                matches!(call, Call::Commit | Call::CommitOffsets)
            }
            Self::Unavailable => !matches!(call, Call::Send | Call::Commit),
            Self::Abort => in_transaction,
            Self::Fenced => {
                let of_others = [Call::InitTransactions, Call::Poll, Call::CommitOffsets];
                in_transaction || of_others.contains(&call)
            }
            Self::Delay(_) => true,
            Self::SessionLoss => call == Call::Poll,
        }
    }
}

/// A plan of faults. Empty at first.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    seed: u64,
    chances: Vec<(Call, Fault, u32)>,
    scripted: Vec<(Call, u64, Fault)>,
}

impl FaultPlan {
    /// A plan whose chances are drawn from a seed. Calls of several threads draw in the order they
    /// come: a run is replayed exactly when they come in the same order.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            chances: Vec::new(),
            scripted: Vec::new(),
        }
    }

    /// This fault befalls so many of a million such calls, by chance. Among several faults for a
    /// call, the one added first is drawn first.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where the fault cannot befall such a call.
    pub fn sometimes(mut self, call: Call, fault: Fault, per_million: u32) -> Result<Self> {
        check(call, fault)?;
        self.chances.push((call, fault, per_million));
        Ok(self)
    }

    /// This fault befalls the `nth` such call, counted from 1 over all clients: "the third commit is
    /// carried out and its answer lost".
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where the fault cannot befall such a call.
    pub fn at(mut self, call: Call, nth: u64, fault: Fault) -> Result<Self> {
        check(call, fault)?;
        self.scripted.push((call, nth, fault));
        Ok(self)
    }
}

fn check(call: Call, fault: Fault) -> Result<()> {
    if fault.can_befall(call) {
        return Ok(());
    }
    let message = format!("{fault:?} cannot befall {call:?}");
    Err(Error::new(ErrorKind::Config, "plan a fault", message))
}

/// A plan under way.
pub(super) struct PlanState {
    plan: FaultPlan,
    random: Random,
    calls: BTreeMap<Call, u64>,
    pub(super) fired: BTreeMap<(Call, Fault), u64>,
    pub(super) armed: bool,
}

impl PlanState {
    pub(super) fn new(plan: FaultPlan) -> Self {
        let random = Random(plan.seed);
        Self {
            plan,
            random,
            calls: BTreeMap::new(),
            fired: BTreeMap::new(),
            armed: true,
        }
    }

    /// Counts a call and chooses its fault, if any.
    pub(super) fn next(&mut self, call: Call, possible: impl Fn(Fault) -> bool) -> Option<Firing> {
        let count = self.calls.entry(call).or_default();
        *count += 1;
        let count = *count;
        if !self.armed {
            return None;
        }
        let fault = self.choose(call, count).filter(|fault| possible(*fault))?;
        *self.fired.entry((call, fault)).or_default() += 1;
        let origin = format!(
            "injected {fault:?} at call {count} of {call:?} (seed {})",
            self.plan.seed
        );
        tracing::debug!("{origin}");
        Some(Firing { fault, origin })
    }

    fn choose(&mut self, call: Call, count: u64) -> Option<Fault> {
        let mut drawn = None;
        for (_, fault, per_million) in self.plan.chances.iter().filter(|chance| chance.0 == call) {
            // Drawn even after a hit, so that every call draws the same number of times.
            let hit = self.random.next() % 1_000_000 < u64::from(*per_million);
            drawn = drawn.or(hit.then_some(*fault));
        }
        let scripted = self
            .plan
            .scripted
            .iter()
            .find(|fault| fault.0 == call && fault.1 == count);
        scripted.map(|fault| fault.2).or(drawn)
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
