//! Joins of tables by a foreign key (KIP-213): what its nodes say to each other, and do.
//!
//! ```text
//!   subscription   key: foreign key            value: instruction (1) ‖ asker ‖ left key
//!   store          key: length of foreign key (4) ‖ foreign key ‖ left key      value: asker
//!   answer         key: left key               value: asker ‖ 1 ‖ right value, or asker ‖ 0
//!   asker          partition (4) ‖ hash of the left value (16), or partition (4) ‖ 16 zeros
//! ```
//! An answer counts only while the left value is still the one it was asked for: its hash tells. The
//! topics are the join's own; nobody else reads them.

use millrace_expr::{Bump, Value};
use sha2::{Digest, Sha256};

use super::{Context, NodeError, encode, eval, processing, variables};
use crate::record::{Datum, Record};
use crate::topology::{Format, Operation, ProcessorNode, ProcessorTopology};

/// Bytes of an asker.
const ASKER_LEN: usize = 20;
/// Hash of a value that is not there.
const NO_HASH: [u8; 16] = [0; 16];

/// What the right side does with a subscription (SubscriptionWrapper.Instruction).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Instruction {
    /// Forgets it.
    Delete = 0,
    /// Forgets it and answers without a value.
    DeleteAndAnswer = 1,
    /// Keeps it and answers, also without a value.
    Answer = 2,
    /// Keeps it and answers if there is a value.
    AnswerIfThere = 3,
}

impl Instruction {
    fn of(byte: u8) -> Option<Self> {
        [
            Self::Delete,
            Self::DeleteAndAnswer,
            Self::Answer,
            Self::AnswerIfThere,
        ]
        .into_iter()
        .find(|instruction| *instruction as u8 == byte)
    }
}

/// A change of a left row: what it refers to.
struct Changed<'k> {
    /// There is no row any more.
    deleted: bool,
    /// There was one before.
    was_there: bool,
    /// The foreign key now.
    new: Option<&'k [u8]>,
    /// The foreign key before.
    old: Option<&'k [u8]>,
}

/// What one right side is told.
type Told<'k> = Option<(Option<&'k [u8]>, Instruction)>;

impl<'k> Changed<'k> {
    /// What the right sides are told, in order.
    fn instructions(&self, left: bool) -> [Told<'k>; 2] {
        let Self { new, old, .. } = *self;
        let moved = old.is_some() && old != new;
        let forget = moved.then_some((old, Instruction::Delete));
        if left {
            // Every change of a left row gives a result, also one that refers to nothing.
            let there = !self.deleted || self.was_there;
            return [forget, there.then_some((new, Instruction::Answer))];
        }
        match (self.deleted, new) {
            (false, Some(_)) if moved => [forget, Some((new, Instruction::Answer))],
            (false, Some(_)) => [None, Some((new, Instruction::AnswerIfThere))],
            (false, None) | (true, _) => [old.map(|_| (old, Instruction::DeleteAndAnswer)), None],
        }
    }
}

/// The hash of a value's bytes; that of no value is [`NO_HASH`].
fn hash(value: Option<&[u8]>) -> [u8; 16] {
    let Some(value) = value else { return NO_HASH };
    let mut hash = NO_HASH;
    let digest = Sha256::digest(value);
    hash.copy_from_slice(&digest[..16]);
    // Never that of no value.
    hash[0] |= 1;
    hash
}

impl ProcessorTopology {
    /// Runs one of the join's nodes.
    pub(super) fn foreign_key<'r>(
        &'r self,
        node: &'r ProcessorNode,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        match &node.operation {
            Operation::ForeignSend { .. } => self.foreign_send(node, record, context, arena),
            Operation::ForeignReceive {
                subscriptions,
                table,
            } => self.foreign_receive(node, (*subscriptions, *table), record, context, arena),
            Operation::ForeignChanged {
                subscriptions,
                key,
                value,
            } => {
                let formats = (key, value);
                self.foreign_changed(node, *subscriptions, formats, record, context, arena)
            }
            Operation::ForeignAnswer { .. } => self.foreign_answer(node, record, context, arena),
            Operation::ForeignSink { topic, answers } => {
                let key = bytes(node, &record.key)?;
                let value = bytes(node, &record.value)?;
                let partition = match (answers, value) {
                    (true, Some(value)) => asking_partition(node, value)?,
                    _ => context.collector.partition(*topic, key, context.partition),
                };
                self.send(node, (*topic, partition), (key, value), record, context)
            }
            _ => Ok(()),
        }
    }

    /// Subscribes a left row to the right row it refers to now, and ends what it referred to before
    /// (SubscriptionSendProcessor).
    fn foreign_send<'r>(
        &'r self,
        node: &'r ProcessorNode,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let Operation::ForeignSend {
            foreign_key,
            foreign,
            primary,
            value,
            left,
        } = &node.operation
        else {
            return Ok(());
        };
        if record.key.is_null() || !record.is_latest() {
            context.dropped.records += 1;
            return Ok(());
        }
        let mut refers = |of: Datum<'r>| -> Result<Option<&'r [u8]>, NodeError> {
            if of.is_null() {
                return Ok(None);
            }
            let own = Record {
                value: of,
                ..*record
            };
            let key = eval(node, foreign_key, &variables(&own, arena), arena)?;
            encode(node, &Datum::computed(key), foreign, context.scratch, arena)
        };
        let (new, old) = (refers(record.value)?, refers(record.old())?);
        let primary = encode(node, &record.key, primary, context.scratch, arena)?;
        let current = encode(node, &record.value, value, context.scratch, arena)?;
        let asker = asker(context.partition, hash(current));
        let primary = primary.unwrap_or_default();
        let mut forward = |key: Option<&'r [u8]>, instruction: Instruction| {
            let message = [&[instruction as u8][..], &asker, primary];
            let told = Record {
                key: key.map_or(Datum::NULL, |key| Datum::computed(Value::Bytes(key))),
                value: Datum::computed(Value::Bytes(concat(&message, arena))),
                change: None,
                ..*record
            };
            self.forward(node, &told, context, arena)
        };
        let changed = Changed {
            deleted: record.value.is_null(),
            was_there: !record.old().is_null(),
            new,
            old,
        };
        for (key, instruction) in changed.instructions(*left).into_iter().flatten() {
            forward(key, instruction)?;
        }
        if !*left && !changed.deleted && new.is_none() {
            // A row that refers to nothing joins nothing.
            context.dropped.records += 1;
        }
        Ok(())
    }

    /// Keeps or forgets a subscription, and answers it with the right table's row
    /// (SubscriptionReceiveProcessor, SubscriptionJoinProcessor).
    fn foreign_receive<'r>(
        &'r self,
        node: &'r ProcessorNode,
        (subscriptions, table): (usize, usize),
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let foreign = bytes(node, &record.key)?;
        let message = bytes(node, &record.value)?.unwrap_or_default();
        let Some((instruction, asker, primary)) = subscription(message) else {
            return Err(processing(
                node,
                "not a subscription of this join".to_owned(),
            ));
        };
        if foreign.is_none() && instruction != Instruction::Answer {
            context.dropped.records += 1;
            return Ok(());
        }
        let mut right = None;
        if let Some(foreign) = foreign {
            let key = combined(foreign, primary, arena);
            let forgets = matches!(
                instruction,
                Instruction::Delete | Instruction::DeleteAndAnswer
            );
            let value = (!forgets).then_some(asker);
            self.put_bytes(node, subscriptions, (key, value), record.timestamp, context)?;
            right = context.stores[table].current(foreign, arena)?;
        }
        let value = match instruction {
            Instruction::Delete => return Ok(()),
            Instruction::AnswerIfThere if right.is_none() => return Ok(()),
            Instruction::DeleteAndAnswer => None,
            Instruction::Answer | Instruction::AnswerIfThere => right.map(|row| row.value),
        };
        let answer = Record {
            key: Datum::computed(Value::Bytes(primary)),
            value: Datum::computed(Value::Bytes(answer(asker, value, arena))),
            timestamp: right.map_or(record.timestamp, |row| row.timestamp.max(record.timestamp)),
            change: None,
            ..*record
        };
        self.forward(node, &answer, context, arena)
    }

    /// Answers everyone who refers to a row that has changed (ForeignTableJoinProcessor).
    fn foreign_changed<'r>(
        &'r self,
        node: &'r ProcessorNode,
        subscriptions: usize,
        (key, value): (&Format, &Format),
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if record.key.is_null() || !record.is_latest() {
            context.dropped.records += 1;
            return Ok(());
        }
        let foreign = encode(node, &record.key, key, context.scratch, arena)?.unwrap_or_default();
        let value = encode(node, &record.value, value, context.scratch, arena)?;
        let prefix = combined(foreign, &[], arena);
        let end = successor(prefix, arena);
        // One row may be referred to by many: they are read at once, and told one after the other.
        let mut askers = bumpalo::collections::Vec::new_in(arena);
        context.stores[subscriptions].scan(prefix, end, |key, row| {
            let primary = &*arena.alloc_slice_copy(&key[prefix.len()..]);
            askers.push((primary, answer(row.value, value, arena)));
            true
        })?;
        for (primary, answer) in askers {
            let told = Record {
                key: Datum::computed(Value::Bytes(primary)),
                value: Datum::computed(Value::Bytes(answer)),
                change: None,
                ..*record
            };
            self.forward(node, &told, context, arena)?;
        }
        Ok(())
    }

    /// Joins an answer with the left row, unless that has changed since (ResponseJoinProcessor).
    fn foreign_answer<'r>(
        &'r self,
        node: &'r ProcessorNode,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let Operation::ForeignAnswer {
            store,
            key,
            right,
            left,
            value,
        } = &node.operation
        else {
            return Ok(());
        };
        let Some(primary) = bytes(node, &record.key)? else {
            context.dropped.records += 1;
            return Ok(());
        };
        let message = bytes(node, &record.value)?.unwrap_or_default();
        let Some((asked, foreign)) = answered(message) else {
            return Err(processing(node, "not an answer of this join".to_owned()));
        };
        let row = context.stores[*store].current(primary, arena)?;
        if hash(row.map(|row| row.value)) != asked {
            context.dropped.records += 1;
            return Ok(());
        }
        let read = |format: &'r Format, bytes: &'r [u8]| {
            let read = format.serde.deserialize(bytes, arena);
            read.map_err(|error| processing(node, error.to_string()))
        };
        let own_key = Datum {
            value: read(key, primary)?,
            encoded: Some((key.kind, primary)),
        };
        let current = self.row_datum(node, *store, row, arena)?;
        let result = if foreign.is_none() && (!*left || current.is_null()) {
            Datum::NULL
        } else {
            let right = match foreign {
                Some(bytes) => read(right, bytes)?,
                None => Value::Null,
            };
            let known = [own_key.value, current.value, right];
            Datum::computed(eval(node, value, &known, arena)?)
        };
        let joined = Record {
            key: own_key,
            value: result,
            change: None,
            ..*record
        };
        self.forward(node, &joined, context, arena)
    }
}

/// The bytes of a key or value of the join's own; `None` is null.
fn bytes<'r>(node: &ProcessorNode, datum: &Datum<'r>) -> Result<Option<&'r [u8]>, NodeError> {
    match datum.value {
        Value::Null => Ok(None),
        Value::Bytes(bytes) => Ok(Some(bytes)),
        other => Err(processing(
            node,
            format!("{other} where the join's bytes were expected"),
        )),
    }
}

fn concat<'r>(parts: &[&[u8]], arena: &'r Bump) -> &'r [u8] {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut bytes = bumpalo::collections::Vec::with_capacity_in(length, arena);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes.into_bump_slice()
}

fn asker(partition: i32, hash: [u8; 16]) -> [u8; ASKER_LEN] {
    let mut asker = [0; ASKER_LEN];
    asker[..4].copy_from_slice(&partition.to_be_bytes());
    asker[4..].copy_from_slice(&hash);
    asker
}

/// Instruction, asker and left key of a subscription.
fn subscription(message: &[u8]) -> Option<(Instruction, &[u8], &[u8])> {
    let (&instruction, rest) = message.split_first()?;
    let (asker, primary) = rest.split_at_checked(ASKER_LEN)?;
    Some((Instruction::of(instruction)?, asker, primary))
}

/// The key of a subscription's row.
fn combined<'r>(foreign: &[u8], primary: &[u8], arena: &'r Bump) -> &'r [u8] {
    // A key is bounded by the log's record size, far below 4 GiB.
    let length = u32::try_from(foreign.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    concat(&[&length, foreign, primary], arena)
}

/// The first key after all that begin with a prefix; `None` where there is none.
fn successor<'r>(prefix: &[u8], arena: &'r Bump) -> Option<&'r [u8]> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let end = arena.alloc_slice_copy(&prefix[..=last]);
    end[last] += 1;
    Some(end)
}

fn answer<'r>(asker: &[u8], value: Option<&[u8]>, arena: &'r Bump) -> &'r [u8] {
    match value {
        Some(value) => concat(&[asker, &[1], value], arena),
        None => concat(&[asker, &[0]], arena),
    }
}

/// The hash that was asked with, and the right value.
fn answered(message: &[u8]) -> Option<([u8; 16], Option<&[u8]>)> {
    let (asker, rest) = message.split_at_checked(ASKER_LEN)?;
    let hash = asker[4..].try_into().ok()?;
    match rest.split_first()? {
        (1, value) => Some((hash, Some(value))),
        (0, []) => Some((hash, None)),
        _ => None,
    }
}

/// The partition an answer goes to.
fn asking_partition(node: &ProcessorNode, message: &[u8]) -> Result<i32, NodeError> {
    match message.split_first_chunk::<4>() {
        Some((partition, _)) => Ok(i32::from_be_bytes(*partition)),
        None => Err(processing(node, "not an answer of this join".to_owned())),
    }
}
