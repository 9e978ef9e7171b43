//! Changes of tables whose stores cache: held back, and passed on (CachingKeyValueStore and its
//! likes, as far as those downstream see them).

use millrace_expr::Bump;
use millrace_kafka::Headers;

use super::change_cache::{self, HeldChange};
use super::{Context, NodeError, encode};
use crate::record::{Change, Datum, Record};
use crate::topology::{ProcessorNode, ProcessorTopology};

impl ProcessorTopology {
    /// Passes a table's change on: at once, or of a store that caches at the commit.
    pub(super) fn forward_change<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let slot = &self.stores[store];
        if !slot.caching {
            return self.forward(node, record, context, arena);
        }
        let key = encode(node, &record.key, &slot.key, context.scratch, arena)?;
        let new = encode(node, &record.value, &slot.value, context.scratch, arena)?;
        let old = encode(node, &record.old(), &slot.value, context.scratch, arena)?;
        context.caches[store].hold(&change_cache::Change {
            key: key.unwrap_or_default(),
            window: record.window,
            old,
            new,
            timestamp: record.timestamp,
            headers: record.headers.as_encoded(),
            topic: record.topic,
            offset: context.offset,
        });
        Ok(())
    }

    /// Passes a change on that was held back; `place` is that of a node that writes the store.
    pub(crate) fn forward_held<'r>(
        &'r self,
        (place, store): (usize, usize),
        held: &'r HeldChange,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let node = &self.nodes[place];
        let value = |bytes: &'r Option<Vec<u8>>| match bytes {
            Some(bytes) => self.value_datum(node, store, bytes, arena),
            None => Ok(Datum::NULL),
        };
        let old = value(&held.old)?;
        let record = Record {
            key: self.key_datum(node, store, &held.key, arena)?,
            value: value(&held.new)?,
            timestamp: held.timestamp,
            headers: Headers::from_encoded(&held.headers),
            topic: &held.topic,
            change: Some(arena.alloc(Change { old, latest: true })),
            window: held.window,
        };
        self.forward(node, &record, context, arena)
    }
}
