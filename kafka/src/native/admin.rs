//! Administrative requests: each makes an object, sends it, waits for one event and reads the result.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;
use sys::rd_kafka_admin_op_t as Op;

pub(crate) use sys::rd_kafka_IsolationLevel_t as Isolation;

mod objects;

use objects::{Natives, array, describe, group_outcome, topic_outcomes};

use super::client::Client;
use super::conf::ERRSTR_LEN;
use super::error::{Code, NativeError, text};
use super::partitions::{PartitionList, PartitionResult, c_string, read_entry, read_list};
use super::queue::{Event, Queue};

/// How much longer than librdkafka itself we wait for its answer: it answers even a timeout.
const ANSWER_SLACK: Duration = Duration::from_secs(1);

/// A topic to create.
pub(crate) struct NewTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: i32,
    /// −1 is the cluster's default.
    pub(crate) replication_factor: i32,
    pub(crate) configs: &'a BTreeMap<String, String>,
}

/// A topic as a broker describes it.
#[derive(Clone, Debug)]
pub(crate) struct TopicDescription {
    /// Number of partitions.
    pub(crate) partitions: usize,
    /// Partitions that have a leader, i.e. that can be used.
    pub(crate) led: usize,
    /// The topic's id, most significant bits first.
    pub(crate) id: (i64, i64),
}

/// Outcome per named thing (topic, group).
pub(crate) type Outcomes = Vec<(String, Result<(), NativeError>)>;

impl Client {
    /// Creates topics.
    pub(crate) fn create_topics(
        &self,
        topics: &[NewTopic<'_>],
        timeout: Duration,
    ) -> Result<Outcomes, NativeError> {
        let mut natives = Natives::new(sys::rd_kafka_NewTopic_destroy);
        for topic in topics {
            let name = c_string(topic.name)?;
            let mut complaint = [0; ERRSTR_LEN];
            // SAFETY: a C string and a buffer as long as said; the object is ours to destroy.
            let native = unsafe {
                sys::rd_kafka_NewTopic_new(
                    name.as_ptr(),
                    topic.partitions,
                    topic.replication_factor,
                    complaint.as_mut_ptr(),
                    ERRSTR_LEN,
                )
            };
            natives.push(native, &complaint)?;
            for (key, value) in topic.configs {
                let (key, value) = (c_string(key)?, c_string(value)?);
                // SAFETY: a valid object, and C strings that librdkafka copies.
                NativeError::check(unsafe {
                    sys::rd_kafka_NewTopic_set_config(native, key.as_ptr(), value.as_ptr())
                })?;
            }
        }
        // SAFETY (all requests below): `request` passes valid options and a valid queue; the objects
        // are valid and copied; a result is read while its event lives.
        let event = self.request(
            Op::RD_KAFKA_ADMIN_OP_CREATETOPICS,
            timeout,
            |options, queue| unsafe {
                sys::rd_kafka_CreateTopics(
                    self.as_ptr(),
                    natives.as_mut_ptr(),
                    natives.len(),
                    options,
                    queue,
                );
            },
        )?;
        // SAFETY: see above.
        Ok(unsafe {
            let result = sys::rd_kafka_event_CreateTopics_result(event.as_ptr());
            topic_outcomes(|count| sys::rd_kafka_CreateTopics_result_topics(result, count))
        })
    }

    /// Deletes topics.
    pub(crate) fn delete_topics(
        &self,
        names: &[&str],
        timeout: Duration,
    ) -> Result<Outcomes, NativeError> {
        let mut natives = Natives::new(sys::rd_kafka_DeleteTopic_destroy);
        for name in names {
            let name = c_string(name)?;
            // SAFETY: a C string, copied; the object is ours to destroy.
            natives.push(unsafe { sys::rd_kafka_DeleteTopic_new(name.as_ptr()) }, &[])?;
        }
        // SAFETY: see `create_topics`.
        let event = self.request(
            Op::RD_KAFKA_ADMIN_OP_DELETETOPICS,
            timeout,
            |options, queue| unsafe {
                sys::rd_kafka_DeleteTopics(
                    self.as_ptr(),
                    natives.as_mut_ptr(),
                    natives.len(),
                    options,
                    queue,
                );
            },
        )?;
        // SAFETY: see `create_topics`.
        Ok(unsafe {
            let result = sys::rd_kafka_event_DeleteTopics_result(event.as_ptr());
            topic_outcomes(|count| sys::rd_kafka_DeleteTopics_result_topics(result, count))
        })
    }

    /// Raises a topic's partition count.
    pub(crate) fn create_partitions(
        &self,
        topic: &str,
        partitions: usize,
        timeout: Duration,
    ) -> Result<Outcomes, NativeError> {
        let mut natives = Natives::new(sys::rd_kafka_NewPartitions_destroy);
        let topic = c_string(topic)?;
        let mut complaint = [0; ERRSTR_LEN];
        // SAFETY: a C string and a buffer as long as said; the object is ours to destroy.
        let native = unsafe {
            sys::rd_kafka_NewPartitions_new(
                topic.as_ptr(),
                partitions,
                complaint.as_mut_ptr(),
                ERRSTR_LEN,
            )
        };
        natives.push(native, &complaint)?;
        // SAFETY: see `create_topics`.
        let event = self.request(
            Op::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS,
            timeout,
            |options, queue| unsafe {
                sys::rd_kafka_CreatePartitions(
                    self.as_ptr(),
                    natives.as_mut_ptr(),
                    natives.len(),
                    options,
                    queue,
                );
            },
        )?;
        // SAFETY: see `create_topics`.
        Ok(unsafe {
            let result = sys::rd_kafka_event_CreatePartitions_result(event.as_ptr());
            topic_outcomes(|count| sys::rd_kafka_CreatePartitions_result_topics(result, count))
        })
    }

    /// Describes topics, in the order asked.
    pub(crate) fn describe_topics(
        &self,
        names: &[&str],
        timeout: Duration,
    ) -> Result<Vec<Result<TopicDescription, NativeError>>, NativeError> {
        let names: Vec<CString> = names
            .iter()
            .map(|name| c_string(name))
            .collect::<Result<_, _>>()?;
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let mut natives = Natives::new(sys::rd_kafka_TopicCollection_destroy);
        // SAFETY: as many C strings as said, copied; the object is ours to destroy.
        let collection = unsafe {
            sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len())
        };
        natives.push(collection, &[])?;
        // SAFETY: see `create_topics`.
        let event = self.request(
            Op::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            timeout,
            |options, queue| unsafe {
                sys::rd_kafka_DescribeTopics(self.as_ptr(), collection, options, queue);
            },
        )?;
        // SAFETY: see `create_topics`.
        unsafe {
            let result = sys::rd_kafka_event_DescribeTopics_result(event.as_ptr());
            let mut described: BTreeMap<String, _> =
                array(|count| sys::rd_kafka_DescribeTopics_result_topics(result, count))
                    .map(|topic| {
                        (
                            text(sys::rd_kafka_TopicDescription_name(topic)),
                            describe(topic),
                        )
                    })
                    .collect();
            let missing = || {
                Err(NativeError::from_code(
                    Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                ))
            };
            Ok(names
                .iter()
                .map(|name| {
                    described
                        .remove(&*name.to_string_lossy())
                        .unwrap_or_else(missing)
                })
                .collect())
        }
    }

    /// The effective configuration of a topic.
    pub(crate) fn topic_configs(
        &self,
        topic: &str,
        timeout: Duration,
    ) -> Result<BTreeMap<String, String>, NativeError> {
        let mut natives = Natives::new(sys::rd_kafka_ConfigResource_destroy);
        let topic = c_string(topic)?;
        // SAFETY: a C string, copied; the object is ours to destroy.
        let resource = unsafe {
            sys::rd_kafka_ConfigResource_new(
                sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC,
                topic.as_ptr(),
            )
        };
        natives.push(resource, &[])?;
        // SAFETY: see `create_topics`.
        let event = self.request(
            Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            timeout,
            |options, queue| unsafe {
                sys::rd_kafka_DescribeConfigs(
                    self.as_ptr(),
                    natives.as_mut_ptr(),
                    natives.len(),
                    options,
                    queue,
                );
            },
        )?;
        let mut configs = BTreeMap::new();
        // SAFETY: see `create_topics`.
        unsafe {
            let result = sys::rd_kafka_event_DescribeConfigs_result(event.as_ptr());
            for resource in
                array(|count| sys::rd_kafka_DescribeConfigs_result_resources(result, count))
            {
                let code = sys::rd_kafka_ConfigResource_error(resource);
                if code != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                    let words = text(sys::rd_kafka_ConfigResource_error_string(resource));
                    return Err(NativeError::with_message(code, words));
                }
                for entry in array(|count| sys::rd_kafka_ConfigResource_configs(resource, count)) {
                    configs.insert(
                        text(sys::rd_kafka_ConfigEntry_name(entry)),
                        text(sys::rd_kafka_ConfigEntry_value(entry)),
                    );
                }
            }
        }
        Ok(configs)
    }

    /// Deletes the records before the list's offsets.
    pub(crate) fn delete_records(
        &self,
        before: &PartitionList,
        timeout: Duration,
    ) -> Result<Vec<PartitionResult>, NativeError> {
        let mut natives = Natives::new(sys::rd_kafka_DeleteRecords_destroy);
        // SAFETY: a valid list, copied; the object is ours to destroy.
        natives.push(
            unsafe { sys::rd_kafka_DeleteRecords_new(before.as_ptr()) },
            &[],
        )?;
        // SAFETY: see `create_topics`.
        let event = self.request(
            Op::RD_KAFKA_ADMIN_OP_DELETERECORDS,
            timeout,
            |options, queue| unsafe {
                sys::rd_kafka_DeleteRecords(
                    self.as_ptr(),
                    natives.as_mut_ptr(),
                    natives.len(),
                    options,
                    queue,
                );
            },
        )?;
        // SAFETY: see `create_topics`.
        Ok(unsafe {
            let result = sys::rd_kafka_event_DeleteRecords_result(event.as_ptr());
            read_list(sys::rd_kafka_DeleteRecords_result_offsets(result))
        })
    }

    /// Looks offsets up: the list's offsets are an [`OffsetSpec`](sys::rd_kafka_OffsetSpec_t) each
    /// (−2 earliest, −1 latest).
    pub(crate) fn list_offsets(
        &self,
        specs: &PartitionList,
        isolation: Isolation,
        timeout: Duration,
    ) -> Result<Vec<PartitionResult>, NativeError> {
        let op = Op::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
        // SAFETY: see `create_topics`; setting an option hands its error over.
        let event = self.request_with(
            op,
            timeout,
            |options| unsafe {
                NativeError::take(sys::rd_kafka_AdminOptions_set_isolation_level(
                    options, isolation,
                ))
            },
            |options, queue| unsafe {
                sys::rd_kafka_ListOffsets(self.as_ptr(), specs.as_ptr(), options, queue);
            },
        )?;
        // SAFETY: see `create_topics`.
        Ok(unsafe {
            let result = sys::rd_kafka_event_ListOffsets_result(event.as_ptr());
            array(|count| sys::rd_kafka_ListOffsets_result_infos(result, count))
                .map(|info| read_entry(sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info)))
                .collect()
        })
    }

    /// What the group of this client's configuration has committed for the partitions. (Not the
    /// admin request for any group: librdkafka 2.12 reads a null pointer in it when the group's
    /// coordinator moves.)
    pub(crate) fn committed(
        &self,
        partitions: &PartitionList,
        timeout: Duration,
    ) -> Result<Vec<PartitionResult>, NativeError> {
        // SAFETY: a valid handle and list.
        NativeError::check(unsafe {
            sys::rd_kafka_committed(self.as_ptr(), partitions.as_ptr(), millis(timeout))
        })?;
        Ok(partitions.results())
    }

    /// Deletes a consumer group.
    pub(crate) fn delete_group(&self, group: &str, timeout: Duration) -> Result<(), NativeError> {
        let mut natives = Natives::new(sys::rd_kafka_DeleteGroup_destroy);
        let group = c_string(group)?;
        // SAFETY: a C string, copied; the object is ours to destroy.
        natives.push(
            unsafe { sys::rd_kafka_DeleteGroup_new(group.as_ptr()) },
            &[],
        )?;
        // SAFETY: see `create_topics`.
        let event = self.request(
            Op::RD_KAFKA_ADMIN_OP_DELETEGROUPS,
            timeout,
            |options, queue| unsafe {
                sys::rd_kafka_DeleteGroups(
                    self.as_ptr(),
                    natives.as_mut_ptr(),
                    natives.len(),
                    options,
                    queue,
                );
            },
        )?;
        // SAFETY: see `create_topics`.
        unsafe {
            let result = sys::rd_kafka_event_DeleteGroups_result(event.as_ptr());
            for group in array(|count| sys::rd_kafka_DeleteGroups_result_groups(result, count)) {
                group_outcome(group)?;
            }
        }
        Ok(())
    }

    /// The cluster's id; `None` where no broker told it in time.
    pub(crate) fn cluster_id(&self, timeout: Duration) -> Option<String> {
        // SAFETY: a valid handle. The answer is null, or a string that is ours to free with the
        // handle's own function, once.
        unsafe {
            let id = sys::rd_kafka_clusterid(self.as_ptr(), millis(timeout));
            if id.is_null() {
                return None;
            }
            let name = text(id);
            sys::rd_kafka_mem_free(self.as_ptr(), id.cast());
            Some(name)
        }
    }

    /// The names of all topics.
    pub(crate) fn topic_names(&self, timeout: Duration) -> Result<Vec<String>, NativeError> {
        let mut metadata = std::ptr::null();
        // SAFETY: a valid handle; all topics, so no topic is named. The metadata has as many topics
        // as it says, and is freed once.
        unsafe {
            NativeError::check(sys::rd_kafka_metadata(
                self.as_ptr(),
                1,
                std::ptr::null_mut(),
                &raw mut metadata,
                millis(timeout),
            ))?;
            let count = usize::try_from((*metadata).topic_cnt).unwrap_or(0);
            let names = (0..count)
                .map(|at| text((*(*metadata).topics.add(at)).topic))
                .collect();
            sys::rd_kafka_metadata_destroy(metadata);
            Ok(names)
        }
    }

    fn request(
        &self,
        op: Op,
        timeout: Duration,
        send: impl FnOnce(*mut sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    ) -> Result<Event, NativeError> {
        self.request_with(op, timeout, |_| Ok(()), send)
    }

    /// Makes options, sends, and waits for the result event; fails where the whole request failed.
    fn request_with(
        &self,
        op: Op,
        timeout: Duration,
        configure: impl FnOnce(*mut sys::rd_kafka_AdminOptions_t) -> Result<(), NativeError>,
        send: impl FnOnce(*mut sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    ) -> Result<Event, NativeError> {
        let deadline = Instant::now() + timeout + ANSWER_SLACK;
        let mut options = Natives::new(sys::rd_kafka_AdminOptions_destroy);
        // SAFETY: a valid handle; the options are ours to destroy.
        let native = unsafe { sys::rd_kafka_AdminOptions_new(self.as_ptr(), op) };
        options.push(native, &[])?;
        let mut complaint = [0; ERRSTR_LEN];
        // SAFETY: valid options, and a buffer as long as said.
        NativeError::check(unsafe {
            sys::rd_kafka_AdminOptions_set_request_timeout(
                native,
                millis(timeout),
                complaint.as_mut_ptr(),
                ERRSTR_LEN,
            )
        })?;
        configure(native)?;
        // SAFETY: a valid handle; the queue is ours to destroy.
        let queue = unsafe { sys::rd_kafka_queue_new(self.as_ptr()) };
        let queue = Queue::from_raw(self, queue)
            .ok_or_else(|| NativeError::from_code(Code::RD_KAFKA_RESP_ERR__FAIL))?;
        send(native, queue.as_ptr());
        let event = queue
            .event(deadline.saturating_duration_since(Instant::now()))
            .ok_or_else(|| NativeError::from_code(Code::RD_KAFKA_RESP_ERR__TIMED_OUT))?;
        // SAFETY: a valid event; the text belongs to it.
        unsafe {
            match sys::rd_kafka_event_error(event.as_ptr()) {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(event),
                code => Err(NativeError::with_message(
                    code,
                    text(sys::rd_kafka_event_error_string(event.as_ptr())),
                )),
            }
        }
    }
}

fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}
