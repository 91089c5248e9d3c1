"""What scikit-learn asks of an estimator that holds others, one of which may be fitted."""

import copy

from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from ._sklearn_private import _VisualBlock
from ._student.net import as_net, input_tags, is_known
from ._teacher.asking import is_fitted
from .augmenters import Augmenter, make_augmenter
from .balancers import make_balancer


class Protocols(BaseEstimator):
    """Parameters, clones, routing, tags and the picture of :class:`DistilledClassifier`."""

    def get_params(self, deep=True):
        """Parameters, of nested estimators as well; not those of a fitted teacher.

        Parameters
        ----------
        deep : bool, default=True

        Returns
        -------
        params : dict
        """
        params = super().get_params(deep=deep)
        if self._has_fitted_teacher():
            return {
                name: value for name, value in params.items() if not name.startswith("teacher__")
            }
        return params

    def set_params(self, **params):
        """Set parameters, also those of the student, the balancer and an unfitted teacher.

        ``balancer__*`` and ``augmenter__*`` turn a name into an instance, ``student__*`` a name, or
        None for the default, into a net.

        Parameters
        ----------
        **params

        Returns
        -------
        self
        """
        nested = {name.partition("__")[0] for name in params if "__" in name}
        balancer = params.get("balancer", self.balancer)
        if "balancer" in nested and isinstance(balancer, str):
            params["balancer"] = make_balancer(balancer)
        augmenter = params.get("augmenter", self.augmenter)
        if "augmenter" in nested and not isinstance(augmenter, Augmenter):
            if augmenter in (None, "auto"):
                raise ValueError(
                    f"augmenter={augmenter!r} has no parameters to set; give augmenter=... as well."
                )
            params["augmenter"] = make_augmenter(augmenter)
        if "student" in nested:
            params["student"] = as_net(params.get("student", self.student))
        teacher = params.get("teacher", self.teacher)
        if "teacher" in nested and teacher is not None and is_fitted(teacher):
            raise ValueError(
                "The parameters of a fitted teacher can't be set: that would change your own "
                "object. Give another teacher=..., or an unfitted one with cv=5."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self):
        """Clone, but carry a fitted teacher along: a clone of it would be unfitted."""
        params = self.get_params(deep=False)
        copied = {
            name: value
            if name == "teacher" and self._has_fitted_teacher()
            else clone(value, safe=False)
            for name, value in params.items()
        }
        fresh = type(self)(**copied)
        for name in ("_metadata_request", "_sklearn_output_config"):
            if name in vars(self):
                setattr(fresh, name, copy.deepcopy(vars(self)[name]))
        return fresh

    def _has_fitted_teacher(self) -> bool:
        return self.teacher is not None and is_fitted(self.teacher)

    def get_metadata_routing(self):
        """Routing to this estimator, to a teacher that it fits, and to the splitter ``cv``.

        Returns
        -------
        routing : MetadataRouter
        """
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        if self.teacher is not None and not is_fitted(self.teacher):
            mapping = MethodMapping().add(caller="fit", callee="fit")
            router.add(teacher=self.teacher, method_mapping=mapping)
        if hasattr(self.cv, "split") and not isinstance(self.cv, str):
            mapping = MethodMapping().add(caller="fit", callee="split")
            router.add(splitter=self.cv, method_mapping=mapping)
        return router

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        student = input_tags(self.student)
        teacher = (
            get_tags(self.teacher).input_tags
            if isinstance(self.teacher, BaseEstimator)
            else student
        )
        tags.input_tags.sparse = student.sparse and teacher.sparse
        tags.input_tags.allow_nan = student.allow_nan and teacher.allow_nan
        return tags

    def _sk_visual_block_(self):
        student = getattr(self, "student_", self.student)
        parts = {
            "teacher": self.teacher,
            "student": as_net(student) if is_known(student) else student,
        }
        shown = {name: part for name, part in parts.items() if part is not None}
        names = [f"{name}: {type(part).__name__}" for name, part in shown.items()]
        return _VisualBlock("parallel", list(shown.values()), names=names, dash_wrapped=False)
