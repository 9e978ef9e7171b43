//! The memory RocksDB may use, for all tasks of the process together: ONE block cache and ONE
//! write-buffer manager charged to it, sized from the container's limit. The JVM's habit of a cache
//! and three memtables per store and partition is what gets its pods killed.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, Options, WriteBufferManager};

/// Share of the memory limit for the block cache, memtables included.
const CACHE_SHARE_OF_LIMIT: u64 = 4;
/// Bounds of the block cache.
const CACHE_BYTES_MIN: u64 = 16 * 1024 * 1024;
const CACHE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Without a limit (a process outside a container): the memory is taken as if it were this much.
const DEFAULT_LIMIT_BYTES: u64 = 256 * 1024 * 1024;
/// Memtables' share of the cache.
const MEMTABLE_SHARE_OF_CACHE: u64 = 2;
const MEMTABLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Shared by every task database of the process. Cloning shares.
#[derive(Clone)]
pub struct StateMemory {
    cache: Cache,
    write_buffers: WriteBufferManager,
    cache_bytes: u64,
    limit_bytes: Option<u64>,
}

impl StateMemory {
    /// Takes a share of a memory limit in bytes; `None`: of the container's limit, if there is one.
    pub fn new(limit_bytes: Option<u64>) -> Self {
        let limit_bytes = limit_bytes.or_else(container_limit_bytes);
        let limit = limit_bytes.unwrap_or(DEFAULT_LIMIT_BYTES);
        let cache_bytes = (limit / CACHE_SHARE_OF_LIMIT).clamp(CACHE_BYTES_MIN, CACHE_BYTES_MAX);
        let to_size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let cache = Cache::new_hyper_clock_cache(to_size(cache_bytes), 0);
        let memtables = to_size(cache_bytes / MEMTABLE_SHARE_OF_CACHE);
        // No stall: it would stop every task of the process because one writes much.
        let write_buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
            memtables,
            false,
            cache.clone(),
        );
        Self {
            cache,
            write_buffers,
            cache_bytes,
            limit_bytes,
        }
    }

    /// The limit of the process's memory that a share was taken of; `None`: there is none.
    pub fn limit_bytes(&self) -> Option<u64> {
        self.limit_bytes
    }

    /// Options of a task database.
    pub fn database_options(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        // All column families go to disk together or not at all: data and changelog offsets stay one.
        options.set_atomic_flush(true);
        options.set_write_buffer_manager(&self.write_buffers);
        options.set_keep_log_file_num(2);
        options.set_max_log_file_size(1024 * 1024);
        options.set_max_background_jobs(2);
        options.set_max_open_files(256);
        options
    }

    /// Options of one store's column family.
    pub fn column_family_options(&self) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        table.set_block_size(16 * 1024);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_ribbon_filter(10.0);
        table.set_format_version(5);
        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_level_compaction_dynamic_level_bytes(true);
        let memtable = (self.cache_bytes / MEMTABLE_SHARE_OF_CACHE / 2).min(MEMTABLE_BYTES_MAX);
        options.set_write_buffer_size(usize::try_from(memtable).unwrap_or(usize::MAX));
        options.set_max_write_buffer_number(3);
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.1);
        options
    }

    /// Size of the block cache in bytes.
    pub fn cache_bytes(&self) -> u64 {
        self.cache_bytes
    }

    /// Bytes held by cache and memtables now.
    pub fn used_bytes(&self) -> u64 {
        self.cache.get_usage() as u64
    }
}

/// The container's memory limit: cgroup v2, else v1; `None` where there is none.
pub fn container_limit_bytes() -> Option<u64> {
    // cgroup v1 writes "no limit" as a number near 2^63.
    const NO_LIMIT_ABOVE: u64 = 1 << 50;
    [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .find_map(|path| {
        std::fs::read_to_string(path)
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    })
    .filter(|&bytes| bytes < NO_LIMIT_ABOVE)
}
