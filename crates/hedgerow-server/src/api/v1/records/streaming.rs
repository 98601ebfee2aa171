//! A stream of rows as the body of an answer.
//!
//! Always holds: a stream that breaks ends the body with an error, so the connection is closed in the middle of a chunk and
//! no client takes what came for all there was (RFC 9112, section 8).

use axum::body::Body;
use futures_util::stream;
use hedgerow::database::RowStream;

pub(super) fn body_of(rows: RowStream) -> Body {
    Body::from_stream(stream::unfold(Some(rows), |rows| async {
        let mut rows = rows?;
        match rows.next().await? {
            Ok(chunk) => Some((Ok(chunk), Some(rows))),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a streamed answer broke off");
                Some((Err(error), None))
            }
        }
    }))
}
