//! A producer that fails by plan.

use std::sync::Arc;

use millrace_kafka::{
    CommittedOffset, Error, ErrorKind, GroupMetadata, OutRecord, RecordSink, Result, TopicHandle,
    TopicPartition,
};

use super::{Call, Fault, Faults, Firing};

pub(super) struct FaultyProducer {
    inner: Box<dyn RecordSink>,
    faults: Arc<Faults>,
    /// An injected end of this producer: fenced, or an outcome nobody knows. Whatever transaction
    /// the wrapped producer has open stays open until a newer one settles it or it times out.
    ended: Option<Error>,
    /// The injected failure of the present transaction.
    must_abort: Option<Error>,
}

impl FaultyProducer {
    pub(super) fn new(inner: Box<dyn RecordSink>, faults: Arc<Faults>) -> Self {
        Self {
            inner,
            faults,
            ended: None,
            must_abort: None,
        }
    }

    /// Fails where an earlier fault is still in force.
    fn check(&self, call: Call) -> Result<()> {
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        match &self.must_abort {
            Some(cause) if call != Call::Abort => {
                let message = format!("the transaction must be aborted ({cause})");
                Err(Error::new(ErrorKind::Abort, call.operation(), message))
            }
            _ => Ok(()),
        }
    }

    /// Lets a fault befall a call before it is carried out.
    fn befall(&mut self, call: Call) -> Result<()> {
        self.check(call)?;
        match self.faults.befall(call, |_| true) {
            None => Ok(()),
            Some(firing) => Err(self.strike(&firing, call)),
        }
    }

    /// Takes note of a fault, and returns its error.
    fn strike(&mut self, firing: &Firing, call: Call) -> Error {
        match firing.fault {
            Fault::Abort => {
                let error = firing.error(ErrorKind::Abort, call);
                self.must_abort = Some(error.clone());
                error
            }
            Fault::Fenced => self.end(firing.error(ErrorKind::Fenced, call)),
            Fault::ReplyLost | Fault::RequestLost => {
                self.end(firing.error(ErrorKind::Unknown, call))
            }
            _ => firing.error(ErrorKind::Unavailable, call),
        }
    }

    fn end(&mut self, error: Error) -> Error {
        self.ended = Some(error.clone());
        error
    }
}

impl RecordSink for FaultyProducer {
    fn init_transactions(&mut self) -> Result<()> {
        self.befall(Call::InitTransactions)?;
        self.inner.init_transactions()
    }

    fn begin(&mut self) -> Result<()> {
        self.check(Call::Send)?;
        self.inner.begin()
    }

    fn topic(&mut self, name: &str) -> Result<TopicHandle> {
        self.inner.topic(name)
    }

    fn send(&mut self, record: &OutRecord<'_>) -> Result<()> {
        self.befall(Call::Send)?;
        self.inner.send(record)
    }

    fn flush(&mut self) -> Result<()> {
        self.befall(Call::Flush)?;
        self.inner.flush()
    }

    fn acknowledged(&self, topic: TopicHandle, partition: i32) -> Option<i64> {
        self.inner.acknowledged(topic, partition)
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, CommittedOffset)],
        group: &GroupMetadata,
    ) -> Result<()> {
        self.befall(Call::SendOffsets)?;
        self.inner.send_offsets(offsets, group)
    }

    fn commit(&mut self) -> Result<()> {
        let call = Call::Commit;
        self.check(call)?;
        let Some(firing) = self.faults.befall(call, |_| true) else {
            return self.inner.commit();
        };
        if firing.fault == Fault::ReplyLost {
            self.inner.commit()?;
        }
        Err(self.strike(&firing, call))
    }

    fn abort(&mut self) -> Result<()> {
        self.befall(Call::Abort)?;
        self.inner.abort()?;
        self.must_abort = None;
        Ok(())
    }
}
