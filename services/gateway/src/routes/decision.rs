//! Responses to people's decisions.

use crate::problem::Problem;
use axum::Json;
use hyper::StatusCode;
use outlet::{Instructed, NotAccepted, NotDecided};
use serde::Serialize;
use utoipa::ToSchema;

/// The outcome of a decision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Outcome)]
pub(crate) struct OutcomeBody {
    /// The delivery of the decision, by which it is found later; null if it needed none.
    #[schema(required)]
    delivery: Option<String>,
    /// `applied` or `unchanged`; null while it isn't known.
    #[schema(required)]
    outcome: Option<&'static str>,
    /// The store's sequence number of the change; null if nothing changed.
    #[schema(required)]
    sequence: Option<i64>,
}

/// A decision that was made, or why it wasn't.
pub(crate) struct Decided(Result<Option<Instructed>, NotDecided>);

impl Decided {
    /// Of a decision that may have needed no instruction.
    pub(crate) const fn of(result: Result<Option<Instructed>, NotDecided>) -> Self {
        Self(result)
    }

    /// Of an instruction.
    pub(crate) fn of_instruction(result: Result<Instructed, NotDecided>) -> Self {
        Self(result.map(Some))
    }

    /// Returns its response: 200 for an outcome, 202 if it takes effect later.
    pub(crate) fn response(self) -> Result<(StatusCode, Json<OutcomeBody>), Problem> {
        match self.0 {
            Ok(None) => {
                Ok((StatusCode::OK, Json(OutcomeBody { delivery: None, outcome: None, sequence: None })))
            }
            Ok(Some(instructed)) => {
                let outcome = instructed.outcome.as_ref();
                let body = OutcomeBody {
                    delivery: Some(instructed.delivery.to_string()),
                    outcome: outcome.map(|outcome| outcome.outcome.as_str()),
                    sequence: outcome.and_then(|outcome| outcome.sequence),
                };
                let status = if outcome.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
                Ok((status, Json(body)))
            }
            Err(NotDecided::Late { delivery, .. }) => {
                let body =
                    OutcomeBody { delivery: Some(delivery.to_string()), outcome: None, sequence: None };
                Ok((StatusCode::ACCEPTED, Json(body)))
            }
            Err(other) => Err(problem(other)),
        }
    }
}

fn problem(error: NotDecided) -> Problem {
    match error {
        NotDecided::Store(error) => error.into(),
        NotDecided::NotAccepted(NotAccepted::TooLarge(what)) => Problem::conflict(what),
        NotDecided::NotAccepted(error) => {
            tracing::warn!(
                service = crate::SERVICE,
                error = runner::chain(&error),
                "a decision wasn't accepted"
            );
            Problem::unavailable("the intake isn't available: retry later")
        }
        NotDecided::Late { .. } | NotDecided::NoEffect { .. } | NotDecided::Contradicted(_) => {
            Problem::conflict(error.to_string())
        }
    }
}
