//! Lists of partitions with offsets, metadata and results: the currency of librdkafka's group calls.

use std::ffi::{CString, c_void};
use std::ptr::NonNull;

use rdkafka::bindings as sys;

use crate::log::CommittedOffset;
use crate::record::TopicPartition;

use super::error::{Code, NativeError, read_code, text};

/// An owned list.
pub(crate) struct PartitionList(NonNull<sys::rd_kafka_topic_partition_list_t>);

// SAFETY: owned data, bound to no thread.
unsafe impl Send for PartitionList {}

/// One entry of a list that came back.
#[derive(Clone, Debug)]
pub(crate) struct PartitionResult {
    /// Which partition.
    pub(crate) partition: TopicPartition,
    /// Its offset; negative numbers have meanings of librdkafka's.
    pub(crate) offset: i64,
    /// Text beside a committed offset.
    pub(crate) metadata: String,
    /// What went wrong for this partition alone.
    pub(crate) error: Option<NativeError>,
}

impl PartitionList {
    /// An empty list.
    pub(crate) fn new() -> Self {
        // SAFETY: no preconditions; librdkafka aborts when it is out of memory.
        let list = unsafe { sys::rd_kafka_topic_partition_list_new(0) };
        Self(NonNull::new(list).unwrap_or_else(|| unreachable!("a new partition list is null")))
    }

    /// Partitions without offsets.
    pub(crate) fn of<'a>(
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<Self, NativeError> {
        let mut list = Self::new();
        for partition in partitions {
            list.push(partition, i64::from(sys::RD_KAFKA_OFFSET_INVALID))?;
        }
        Ok(list)
    }

    /// Partitions with offsets and their metadata, to commit.
    pub(crate) fn of_offsets(
        offsets: &[(TopicPartition, CommittedOffset)],
    ) -> Result<Self, NativeError> {
        let mut list = Self::new();
        for (partition, committed) in offsets {
            let entry = list.push(partition, committed.offset)?;
            if committed.metadata.is_empty() {
                continue;
            }
            let metadata = c_string(&committed.metadata)?;
            // librdkafka frees the metadata together with the list, with its own allocator.
            // SAFETY: the entry is valid until the next push; the copy is as long as the source.
            unsafe {
                let len = metadata.as_bytes().len();
                let copy = sys::rd_kafka_mem_malloc(std::ptr::null_mut(), len);
                copy.cast::<u8>()
                    .copy_from_nonoverlapping(metadata.as_ptr().cast(), len);
                (*entry).metadata = copy.cast::<c_void>();
                (*entry).metadata_size = len;
            }
        }
        Ok(list)
    }

    /// Appends a partition; the entry is valid until the next call.
    pub(crate) fn push(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
    ) -> Result<*mut sys::rd_kafka_topic_partition_t, NativeError> {
        let topic = c_string(&partition.topic)?;
        // SAFETY: a valid list and C string, which librdkafka copies; it returns the new entry.
        unsafe {
            let entry = sys::rd_kafka_topic_partition_list_add(
                self.0.as_ptr(),
                topic.as_ptr(),
                partition.partition,
            );
            (*entry).offset = offset;
            Ok(entry)
        }
    }

    /// The entries, in the list's order.
    pub(crate) fn results(&self) -> Vec<PartitionResult> {
        // SAFETY: owned and valid.
        unsafe { read_list(self.0.as_ptr()) }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: owned, last use.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.0.as_ptr()) }
    }
}

/// Reads a list that belongs to somebody else.
///
/// # Safety
/// `list` is valid, or null (which is empty).
pub(super) unsafe fn read_list(
    list: *const sys::rd_kafka_topic_partition_list_t,
) -> Vec<PartitionResult> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: a valid list has `cnt` entries.
    unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        (0..count)
            .map(|at| read_entry((*list).elems.add(at)))
            .collect()
    }
}

/// # Safety
/// `entry` is a valid entry of a list.
pub(super) unsafe fn read_entry(entry: *const sys::rd_kafka_topic_partition_t) -> PartitionResult {
    // SAFETY: the topic is a C string; metadata is null or has `metadata_size` bytes.
    unsafe {
        let metadata = if (*entry).metadata.is_null() {
            String::new()
        } else {
            let bytes = std::slice::from_raw_parts(
                (*entry).metadata.cast::<u8>().cast_const(),
                (*entry).metadata_size,
            );
            String::from_utf8_lossy(bytes).into_owned()
        };
        PartitionResult {
            partition: TopicPartition::new(text((*entry).topic), (*entry).partition),
            offset: (*entry).offset,
            metadata,
            error: NativeError::check(read_code(&raw const (*entry).err)).err(),
        }
    }
}

/// A string for C; one with a NUL byte inside is refused.
pub(super) fn c_string(string: &str) -> Result<CString, NativeError> {
    CString::new(string).map_err(|_| {
        NativeError::with_message(
            Code::RD_KAFKA_RESP_ERR__INVALID_ARG,
            format!("{string:?} holds a NUL byte"),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn offsets_and_their_metadata_come_back_from_a_list() {
        let committed = CommittedOffset {
            offset: 7,
            metadata: "AQ==".to_owned(),
        };
        let plain = CommittedOffset {
            offset: 8,
            metadata: String::new(),
        };
        let list = PartitionList::of_offsets(&[
            (TopicPartition::new("a", 3), committed),
            (TopicPartition::new("b", 0), plain),
        ])
        .unwrap();
        let read = list.results();
        assert_eq!((read[0].offset, read[0].metadata.as_str()), (7, "AQ=="));
        assert_eq!(read[0].partition, TopicPartition::new("a", 3));
        assert_eq!((read[1].offset, read[1].metadata.as_str()), (8, ""));
    }

    #[test]
    fn a_topic_name_with_a_nul_byte_is_refused() {
        assert!(PartitionList::of([&TopicPartition::new("a\0b", 0)]).is_err());
    }
}
