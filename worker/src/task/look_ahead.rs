//! Rows that an input's next records will look up are brought into the CPU's caches together: one by one,
//! each look-up in a large table would wait for memory, twice (docs/decisions/013).

use super::Task;

/// Records that are looked ahead at, each once.
const RECORDS: usize = 16;

impl Task {
    /// Looks ahead at an input's next records, once those of the last look are processed.
    pub(super) fn look_ahead(&mut self, input: usize) {
        let source = &self.topology.sources[self.sources[input]];
        if source.looked_up.is_empty() {
            return;
        }
        let left = &mut self.looked_ahead[input];
        if *left > 0 {
            *left -= 1;
            return;
        }
        *left = RECORDS - 1;
        for looked_up in &source.looked_up {
            let records = self.group.keys(input).take(RECORDS);
            let keys = records.filter_map(|(time, key)| Some((key?, looked_up.time(time))));
            self.stores[looked_up.store].touch(keys, &self.arena);
        }
        self.arena.reset();
    }
}
