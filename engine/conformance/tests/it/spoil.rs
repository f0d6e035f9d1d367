//! Short ways to a fault: change what goes into a method, or what comes out.

use std::sync::Arc;

use bytes::Bytes;
use syncline::heads::ChainHash;
use syncline::run::{Body, Run, RunBuilder};
use syncline::store::{
    Committed, Limit, LogStatus, Page, Row, RowKey, RowRange, StoreError, StoredRun, WriteBatch,
};
use syncline::{Cursor, ViewId};

use crate::fault::{Answer, Fault, Handle, sound};

/// Changes what status shows.
pub(crate) fn status(spoil: fn(&mut LogStatus)) -> Fault {
    let status = Box::new(move |handle: &Handle, ()| -> Answer<'_, LogStatus> {
        let status = handle.store.status();
        Box::pin(async move {
            let mut status = status.await?;
            spoil(&mut status);
            Ok(status)
        })
    });
    Fault { status: Box::new(move |handle, ()| {
        Box::pin(async move {
            let mut status = handle.store.status().await?;
            spoil(&mut status);
            Ok(status)
        })
    }), ..sound() }
}
