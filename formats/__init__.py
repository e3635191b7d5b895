"""What users' files look like: configs, Supervisely annotations. No TensorFlow."""

from formats.annotation import (
    Annotation,
    annotation_json,
    bitmap_object,
    read_annotation,
    tag_json,
)
from formats.bitmap import read_bitmap, write_bitmap
from formats.coco import CocoFile, open_coco
from formats.config import load_config
from formats.errors import AnnotationError, ConfigError, FormatError, ImageFileError
from formats.json_file import read_json
from formats.mask_crop import MaskCrop
from formats.meta import ClassMeta, ProjectMeta, TagMeta
from formats.project import Project, open_project

__all__ = [
    "Annotation",
    "AnnotationError",
    "ClassMeta",
    "CocoFile",
    "ConfigError",
    "FormatError",
    "ImageFileError",
    "MaskCrop",
    "Project",
    "ProjectMeta",
    "TagMeta",
    "annotation_json",
    "bitmap_object",
    "load_config",
    "open_coco",
    "open_project",
    "read_annotation",
    "read_bitmap",
    "read_json",
    "tag_json",
    "write_bitmap",
]
