"""The networks, by the names that recipes give them."""

from typing import TypeAlias

from baselines.networks.monodepth2_depth import Monodepth2Depth
from baselines.networks.monodepth2_pose import PoseCNNPose, SeparatePose, SharedPose

DepthNetwork: TypeAlias = Monodepth2Depth
DEPTH_NETWORKS: dict[str, type[DepthNetwork]] = {"monodepth2": Monodepth2Depth}
PoseNetwork: TypeAlias = SeparatePose | SharedPose | PoseCNNPose
POSE_NETWORKS: dict[str, type[PoseNetwork]] = {"separate_resnet": SeparatePose, "shared": SharedPose, "posecnn": PoseCNNPose}
