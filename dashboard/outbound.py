"""The pages of tasks and call data: `pages` puts them together from `lines`."""
