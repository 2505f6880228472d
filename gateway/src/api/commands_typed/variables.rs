//! Reading and writing variables: the forms.

use ringmain_domain::command::{StationCommand, VariableName, VariableSetting};
use ringmain_domain::id::EvseId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::problem::Problem;

/// The most variables one command names.
pub(super) const VARIABLES_MAX: usize = 100;

/// Read variables.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct GetVariables {
    /// At most 100. Empty: all keys (1.6).
    #[serde(default)]
    #[schema(max_items = 100)]
    pub(super) variables: Vec<VariableNameForm>,
}

/// Names a variable.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct VariableNameForm {
    /// Empty for 1.6 configuration keys.
    #[serde(default)]
    pub(super) component: String,
    /// The variable, or the configuration key.
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) evse_id: Option<u32>,
}

/// Write variables.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SetVariables {
    /// 1 to 100; 1.6 takes exactly one.
    #[schema(min_items = 1, max_items = 100)]
    pub(super) variables: Vec<VariableSettingForm>,
}

/// Names a variable and gives it a value.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct VariableSettingForm {
    /// Empty for 1.6 configuration keys.
    #[serde(default)]
    pub(super) component: String,
    /// The variable, or the configuration key.
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) evse_id: Option<u32>,
    pub(super) value: String,
}

impl GetVariables {
    pub(super) fn into_domain(self) -> Result<StationCommand, Problem> {
        if self.variables.len() > VARIABLES_MAX {
            return Err(Problem::flaw("/variables", format!("at most {VARIABLES_MAX} are allowed")));
        }
        let name = |form: VariableNameForm| VariableName {
            component: form.component.into(),
            name: form.name.into(),
            evse_id: form.evse_id.map(EvseId),
        };
        Ok(StationCommand::GetVariables { variables: self.variables.into_iter().map(name).collect() })
    }
}

impl SetVariables {
    pub(super) fn into_domain(self) -> Result<StationCommand, Problem> {
        if self.variables.is_empty() || self.variables.len() > VARIABLES_MAX {
            return Err(Problem::flaw("/variables", format!("1 to {VARIABLES_MAX} are needed")));
        }
        let setting = |form: VariableSettingForm| VariableSetting {
            variable: VariableName {
                component: form.component.into(),
                name: form.name.into(),
                evse_id: form.evse_id.map(EvseId),
            },
            value: form.value.into(),
        };
        Ok(StationCommand::SetVariables { variables: self.variables.into_iter().map(setting).collect() })
    }
}

impl From<VariableName> for VariableNameForm {
    fn from(variable: VariableName) -> Self {
        Self {
            component: variable.component.into(),
            name: variable.name.into(),
            evse_id: variable.evse_id.map(|id| id.0),
        }
    }
}

impl From<VariableSetting> for VariableSettingForm {
    fn from(setting: VariableSetting) -> Self {
        Self {
            component: setting.variable.component.into(),
            name: setting.variable.name.into(),
            evse_id: setting.variable.evse_id.map(|id| id.0),
            value: setting.value.into(),
        }
    }
}
