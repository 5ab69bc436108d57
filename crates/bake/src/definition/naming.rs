//! The names of targets: what letters they have, and what a matrix makes of one block.

use std::collections::BTreeMap;

use super::Definition;
use crate::error::{Error, Result};
use crate::evaluate::{Scope, evaluate};
use crate::syntax::Block;
use crate::value::{Type, Value, convert};

/// More combinations than anyone builds.
const MAX_COMBINATIONS: usize = 4096;

/// The letters of a target's name.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match !name.is_empty() && name.bytes().all(is_fine) {
        true => Ok(()),
        false => Err(Error::new("only \"[a-zA-Z0-9_-]+\" are allowed")),
    }
}

impl Definition<'_> {
    /// The combinations of a block's matrix: what its names stand for in each. One without names if it has no matrix.
    pub(super) fn combinations(&mut self, block: &Block) -> Result<Vec<BTreeMap<String, Value>>> {
        let Some(matrix) = block.body.attribute("matrix") else { return Ok(vec![BTreeMap::new()]) };
        if block.kind == "group" {
            return Err(Error::new("matrix is not supported for groups"));
        }
        self.load(&matrix.value, None, &[], false)?;
        let value = evaluate(&matrix.value, &self.globals, self)?;
        let fields = value.fields().ok_or_else(|| Error::new("matrix must be a map"))?;
        let mut all = vec![BTreeMap::new()];
        for (name, values) in fields {
            let values = values.elements().ok_or_else(|| Error::new("matrix values must be a list"))?;
            if all.len().saturating_mul(values.len()) > MAX_COMBINATIONS {
                return Err(Error::new(format!("matrix has more than {MAX_COMBINATIONS} combinations")));
            }
            all = values
                .into_iter()
                .flat_map(|(_, value)| all.iter().map(move |names| (names.clone(), value.clone())))
                .map(|(mut names, value)| {
                    names.insert(name.clone(), value);
                    names
                })
                .collect();
        }
        Ok(all)
    }

    /// The names of what a block makes, one for each combination.
    pub(super) fn names(&mut self, block: &Block, combinations: &[BTreeMap<String, Value>]) -> Result<Vec<String>> {
        let label = &block.labels[0];
        check_name(label)?;
        let name = block.body.attribute("name");
        match name {
            Some(_) if block.kind == "group" => return Err(Error::new("name is not supported for groups")),
            Some(_) if block.body.attribute("matrix").is_none() => return Err(Error::new("name requires matrix")),
            _ => {}
        }
        let mut names: Vec<String> = Vec::with_capacity(combinations.len());
        for combination in combinations {
            let name = match name {
                None => label.clone(),
                Some(attribute) => {
                    let code = &attribute.value;
                    self.load(code, Some(&Scope::inside(&Scope::default(), combination.clone())), &[], false)?;
                    let scope = Scope::inside(&self.globals, combination.clone());
                    let value = evaluate(code, &scope, self)?;
                    match convert(value, &Type::String).map_err(Error::new)? {
                        Value::String(name) => name,
                        _ => return Err(Error::new("name must not be null")),
                    }
                }
            };
            check_name(&name)?;
            names.push(name);
        }
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Error::new(format!("duplicate name \"{}\"", pair[0]))),
            None => Ok(names),
        }
    }
}
