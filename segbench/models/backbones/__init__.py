"""Backbones: image in, feature maps at several strides out."""
