"""What AWS's own models say of the parameters of a call."""
import botocore.session
import botocore.validate


def model(service, operation):
    return botocore.session.get_session().get_service_model(service).operation_model(operation)


def complaints(parameters, operation):
    return botocore.validate.ParamValidator().validate(parameters, operation.input_shape).generate_report()
