//! Employees, as reported by a platform.

use crate::{ExternalId, Patch};
use serde::{Deserialize, Serialize};

/// An employee as reported by a platform. It contains personal data: it is stored in the employee's row only, never in
/// the event store, a stream with other readers, or a log. No PIN, passcode or pay has a field here.
#[derive(Clone, PartialEq, Eq)]
pub struct Employee {
    /// The platform's id: the one by which an order names who sold it.
    pub external: ExternalId,
    /// The whole name.
    pub name: Patch<String>,
    /// Mail address.
    pub email: Patch<String>,
    /// Telephone number.
    pub phone: Patch<String>,
    /// The roles and job titles, in the platform's words; `None` if the platform didn't report them.
    pub roles: Option<Vec<String>>,
    /// True while the employee works for the merchant; `None` if the platform didn't report it.
    pub is_active: Option<bool>,
    /// The locations at which the employee works; `None` if the platform didn't report them.
    pub workplaces: Option<Workplaces>,
}

/// The locations at which an employee works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workplaces {
    /// Every location of the merchant, later ones included.
    All,
    /// These, by the platform's ids.
    Named(Vec<ExternalId>),
}

impl Employee {
    /// Returns an employee of whom only the id is known.
    pub const fn bare(external: ExternalId) -> Self {
        Self {
            external,
            name: Patch::Keep,
            email: Patch::Keep,
            phone: Patch::Keep,
            roles: None,
            is_active: None,
            workplaces: None,
        }
    }

    /// Returns the same employee without personal data. Roles are free texts, and count as personal.
    #[must_use]
    pub fn without_personal_data(&self) -> Self {
        Self {
            is_active: self.is_active,
            workplaces: self.workplaces.clone(),
            ..Self::bare(self.external.clone())
        }
    }

    /// Returns the employee after this report: what it doesn't state stays as it is known.
    #[must_use]
    pub fn reported_after(&self, known: &Self) -> Self {
        let over = |known: &Patch<String>, reported: &Patch<String>| {
            if *reported == Patch::Keep { known.clone() } else { reported.clone() }
        };
        Self {
            external: self.external.clone(),
            name: over(&known.name, &self.name),
            email: over(&known.email, &self.email),
            phone: over(&known.phone, &self.phone),
            roles: self.roles.clone().or_else(|| known.roles.clone()),
            is_active: self.is_active.or(known.is_active),
            workplaces: self.workplaces.clone().or_else(|| known.workplaces.clone()),
        }
    }
}

impl std::fmt::Debug for Employee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Employee").field("external", &self.external).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Employee {
        let external = ExternalId::new("E1").unwrap();
        Employee {
            name: Patch::Set("Ada Marked".to_owned()),
            email: Patch::Set("marked@example.com".to_owned()),
            roles: Some(vec!["Marked".to_owned()]),
            is_active: Some(true),
            workplaces: Some(Workplaces::All),
            ..Employee::bare(external)
        }
    }

    #[test]
    fn the_debug_text_and_the_public_form_have_no_personal_data() {
        assert_eq!(format!("{:?}", ada()), "Employee { external: \"E1\", .. }");
        let public = ada().without_personal_data();
        let expected = Employee {
            is_active: Some(true),
            workplaces: Some(Workplaces::All),
            ..Employee::bare(ada().external)
        };
        assert_eq!(public, expected);
    }

    #[test]
    fn a_report_changes_only_what_it_states() {
        let report =
            Employee { email: Patch::Clear, is_active: Some(false), ..Employee::bare(ada().external) };
        let expected = Employee { email: Patch::Clear, is_active: Some(false), ..ada() };
        assert_eq!(report.reported_after(&ada()), expected);
    }
}
