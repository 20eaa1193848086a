//! The employees of a shop.

use crate::ledger::{Change, Instant};
use crate::shop::Impossible;
use crate::state::State;
use std::collections::BTreeMap;

/// Maximum number of employees that a shop keeps.
const EMPLOYEES_MAX: usize = 10_000;
/// A PIN in the forms of the platforms that show one; nothing that reads the API may keep it.
pub const EMPLOYEE_PIN: &str = "4711-pin";

/// An employee of a shop.
#[derive(Debug, Clone)]
pub(crate) struct Employee {
    pub(crate) id: String,
    pub(crate) given_name: String,
    pub(crate) family_name: String,
    pub(crate) email: String,
    pub(crate) role: String,
    /// False for one who left.
    pub(crate) is_active: bool,
    pub(crate) at: Instant,
}

impl Employee {
    /// The whole name.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }
}

/// The employees of a shop, by id.
#[derive(Debug, Default)]
pub(crate) struct Staff(BTreeMap<String, Employee>);

impl Staff {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Employee> {
        self.0.values()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Employee> {
        self.0.get(id)
    }
}

impl State {
    pub(crate) fn hire(
        &mut self,
        given_name: &str,
        family_name: &str,
        email: &str,
        role: &str,
        now: Instant,
    ) -> Result<(String, Vec<Change>), Impossible> {
        if self.staff.0.len() >= EMPLOYEES_MAX {
            return Err(Impossible::Unsupported);
        }
        let id = (self.rules.customer_id)(&mut self.ids);
        let employee = Employee {
            id: id.clone(),
            given_name: given_name.to_owned(),
            family_name: family_name.to_owned(),
            email: email.to_owned(),
            role: role.to_owned(),
            is_active: true,
            at: now,
        };
        self.staff.0.insert(id.clone(), employee);
        Ok((id.clone(), vec![Change::Hired(id)]))
    }

    pub(crate) fn let_go(&mut self, id: &str, now: Instant) -> Result<((), Vec<Change>), Impossible> {
        let held = self.staff.0.get_mut(id).filter(|held| held.is_active);
        let held = held.ok_or(Impossible::UnknownEmployee)?;
        held.is_active = false;
        held.at = now;
        Ok(((), vec![Change::Left(id.to_owned())]))
    }
}
