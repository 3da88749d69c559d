//! A JSON tree whose strings and keys are templates.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::template::LONGEST;
use super::{EvalError, Lookup, ParseError, Template};

/// A JSON tree with templates in its strings and keys. Cheap to clone.
#[derive(Clone, Debug)]
pub struct JsonTemplate(Arc<Node>);

#[derive(Debug)]
enum Node {
    /// A subtree without holes.
    Constant(Value),
    Hole(Template),
    /// A tree that was compiled by itself.
    Shared(JsonTemplate),
    Array(Vec<Self>),
    Object(Vec<(Template, Self)>),
}

impl JsonTemplate {
    /// Compiles every string and key in the tree; all errors, each with the path of the string: keys, and positions in lists.
    pub fn parse(value: &Value) -> Result<Self, Vec<(Vec<String>, ParseError)>> {
        let mut errors = Vec::new();
        let node = compile(value, &mut Vec::new(), &mut errors);
        if errors.is_empty() {
            Ok(Self(Arc::new(node)))
        } else {
            Err(errors)
        }
    }

    /// An object of constants, which are no templates, and of what is filled in.
    pub fn object(
        constants: Map<String, Value>,
        filled: impl IntoIterator<Item = (String, Self)>,
    ) -> Self {
        let constants = constants
            .into_iter()
            .map(|(name, value)| (Template::literal(&name), Node::Constant(value)));
        let filled = filled
            .into_iter()
            .map(|(name, tree)| (Template::literal(&name), Node::Shared(tree)));
        Self(Arc::new(Node::Object(constants.chain(filled).collect())))
    }

    /// The tree with `null` for every hole that these values do not fill.
    pub fn filled_where_known(&self, values: &Arc<dyn Lookup>) -> Value {
        filled_where_known(&self.0, values)
    }

    /// Its templates, in the order of the document; strings without holes are left out.
    pub fn templates(&self) -> Vec<&Template> {
        let mut templates = Vec::new();
        collect(&self.0, &mut templates);
        templates
    }

    /// The filled tree. A string that is nothing but `{{ expr }}` becomes the value of the expression. As a whole it holds no more
    /// than one template may yield.
    pub fn evaluate(&self, values: &Arc<dyn Lookup>) -> Result<Value, EvalError> {
        fill(&self.0, values, &mut { LONGEST })
    }
}

fn filled_where_known(node: &Node, values: &Arc<dyn Lookup>) -> Value {
    let filled = |node| filled_where_known(node, values);
    match node {
        Node::Constant(value) => value.clone(),
        Node::Hole(template) => template.evaluate(values).unwrap_or_default(),
        Node::Shared(tree) => tree.filled_where_known(values),
        Node::Array(items) => items.iter().map(filled).collect(),
        Node::Object(fields) => fields
            .iter()
            .map(|(key, node)| {
                let key = key.render(values);
                (key.unwrap_or_default(), filled(node))
            })
            .collect(),
    }
}

fn compile(
    value: &Value,
    path: &mut Vec<String>,
    errors: &mut Vec<(Vec<String>, ParseError)>,
) -> Node {
    match value {
        Value::String(text) => match Template::parse(text) {
            Ok(template) if template.is_literal() => Node::Constant(value.clone()),
            Ok(template) => Node::Hole(template),
            Err(error) => {
                errors.push((path.clone(), error));
                Node::Constant(Value::Null)
            }
        },
        Value::Array(items) => {
            let nodes: Vec<Node> = items
                .iter()
                .enumerate()
                .map(|(index, item)| below(index.to_string(), item, path, errors))
                .collect();
            if nodes.iter().all(Node::is_constant) {
                Node::Constant(value.clone())
            } else {
                Node::Array(nodes)
            }
        }
        Value::Object(members) => {
            let nodes: Vec<(Template, Node)> = members
                .iter()
                .map(|(key, member)| {
                    let template = Template::parse(key).unwrap_or_else(|error| {
                        let at = path.iter().chain([key]).cloned();
                        errors.push((at.collect(), error));
                        Template::literal(key)
                    });
                    (template, below(key.clone(), member, path, errors))
                })
                .collect();
            let is_constant =
                |(key, node): &(Template, Node)| key.is_literal() && node.is_constant();
            if nodes.iter().all(is_constant) {
                Node::Constant(value.clone())
            } else {
                Node::Object(nodes)
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Node::Constant(value.clone()),
    }
}

fn below(
    step: String,
    value: &Value,
    path: &mut Vec<String>,
    errors: &mut Vec<(Vec<String>, ParseError)>,
) -> Node {
    path.push(step);
    let node = compile(value, path, errors);
    path.pop();
    node
}

impl Node {
    fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }
}

fn collect<'n>(node: &'n Node, templates: &mut Vec<&'n Template>) {
    match node {
        Node::Constant(_) => {}
        Node::Hole(template) => templates.push(template),
        Node::Shared(tree) => collect(&tree.0, templates),
        Node::Array(nodes) => nodes.iter().for_each(|node| collect(node, templates)),
        Node::Object(members) => {
            for (key, node) in members {
                if !key.is_literal() {
                    templates.push(key);
                }
                collect(node, templates);
            }
        }
    }
}

/// `left` is how many bytes the holes may still yield.
fn fill(node: &Node, values: &Arc<dyn Lookup>, left: &mut usize) -> Result<Value, EvalError> {
    Ok(match node {
        Node::Constant(value) => value.clone(),
        Node::Hole(template) => {
            let value = template.evaluate(values)?;
            count(template, length(&value), left)?;
            value
        }
        Node::Shared(tree) => fill(&tree.0, values, left)?,
        Node::Array(nodes) => nodes
            .iter()
            .map(|node| fill(node, values, left))
            .collect::<Result<_, _>>()?,
        Node::Object(members) => {
            let mut map = Map::with_capacity(members.len());
            for (key, node) in members {
                let name = key.render(values)?;
                if !key.is_literal() {
                    count(key, name.len(), left)?;
                }
                map.insert(name, fill(node, values, left)?);
            }
            Value::Object(map)
        }
    })
}

/// Counts what a template has yielded.
fn count(template: &Template, length: usize, left: &mut usize) -> Result<(), EvalError> {
    *left = left.checked_sub(length).ok_or_else(|| EvalError {
        message: format!(
            "`{}`: with it, the whole is longer than {} MB",
            template.source(),
            LONGEST >> 20
        ),
    })?;
    Ok(())
}

/// About how many bytes a value takes as text.
fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| 1 + length(item)).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(key, member)| 1 + key.len() + length(member))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
    }
}
