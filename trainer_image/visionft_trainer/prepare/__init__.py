"""From rows to what a model learns from: chats, processed pictures, frames of boxes, batches."""
